"""One user's sessions as the clients know them: which were told to have begun, and which may be over by now."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tests.faults.history import UNKNOWN


class Ended(Protocol):
    @property
    def outcome(self) -> str: ...


class Ending(Protocol):
    """The asking for an end, from before it is sent."""

    def told(self, command: Ended) -> None:
        """Its client has stopped to wait for it."""


@dataclass(eq=False, slots=True)
class _Everywhere:
    """One ``sign out everywhere``. Whoever gave up waiting for it may still see it carried out."""

    is_over: bool = False

    def told(self, command: Ended) -> None:
        self.is_over = command.outcome != UNKNOWN


class _OfOne:
    def told(self, command: Ended) -> None:
        """That it was asked for says enough."""


@dataclass(eq=False, slots=True)
class _Beginning:
    sessions: "LivingSessions"
    beside: list[_Everywhere]  # that were not over when this began, and those that began later

    def told(self, session: str) -> None:
        self.sessions.begun(session, may_be_over=bool(self.beside))


@dataclass(slots=True)
class LivingSessions:
    _known: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)  # whose end somebody has asked for
    _everywhere: list[_Everywhere] = field(default_factory=list)  # not over
    _beginning: list[_Beginning] = field(default_factory=list)

    def known(self) -> list[str]:
        """All that were told to have begun, also those that are over."""
        return list(self._known)

    def may_be_over(self, session: str) -> bool:
        return session in self._asked

    def begun(self, session: str, *, may_be_over: bool) -> None:
        if session not in self._known:
            self._known.append(session)
        if may_be_over:
            self._asked.add(session)

    @contextmanager
    def beginning(self) -> Iterator[_Beginning]:
        self._everywhere = [one for one in self._everywhere if not one.is_over]
        beginning = _Beginning(self, list(self._everywhere))
        self._beginning.append(beginning)
        try:
            yield beginning
        finally:
            self._beginning.remove(beginning)

    @contextmanager
    def ending(self, session: str) -> Iterator[Ending]:
        self._asked.add(session)
        yield _OfOne()

    @contextmanager
    def ending_all(self) -> Iterator[Ending]:
        everywhere = _Everywhere()
        self._everywhere.append(everywhere)
        self._asked.update(self._known)
        for beginning in self._beginning:
            beginning.beside.append(everywhere)
        yield everywhere
