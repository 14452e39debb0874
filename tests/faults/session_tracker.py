"""Tracks one user's sessions as its clients know them: which have begun, and which may have ended."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tests.faults.history import UNKNOWN


class Ended(Protocol):
    @property
    def outcome(self) -> str: ...


class Ending(Protocol):
    """A request to end sessions, from before it is sent."""

    def completed(self, command: Ended) -> None:
        """The client got its outcome, or has stopped waiting."""


@dataclass(eq=False, slots=True)
class _EndAll:
    """One ``sign out everywhere``. If its client stopped waiting, it may still be executed."""

    is_over: bool = False

    def completed(self, command: Ended) -> None:
        self.is_over = command.outcome != UNKNOWN


class _EndOne:
    def completed(self, command: Ended) -> None:
        """The session may have ended since the request was sent."""


@dataclass(eq=False, slots=True)
class _Start:
    sessions: "SessionTracker"
    beside: list[_EndAll]  # that were in flight when this began, or began later

    def completed(self, session: str) -> None:
        self.sessions.add(session, may_have_ended=bool(self.beside))


@dataclass(slots=True)
class SessionTracker:
    _known: list[str] = field(default_factory=list)
    _asked: set[str] = field(default_factory=set)  # for which an end was requested
    _everywhere: list[_EndAll] = field(default_factory=list)  # in flight
    _beginning: list[_Start] = field(default_factory=list)

    def known(self) -> list[str]:
        """All sessions that have begun, also those that have ended."""
        return list(self._known)

    def may_have_ended(self, session: str) -> bool:
        return session in self._asked

    def add(self, session: str, *, may_have_ended: bool) -> None:
        if session not in self._known:
            self._known.append(session)
        if may_have_ended:
            self._asked.add(session)

    @contextmanager
    def beginning(self) -> Iterator[_Start]:
        self._everywhere = [one for one in self._everywhere if not one.is_over]
        beginning = _Start(self, list(self._everywhere))
        self._beginning.append(beginning)
        try:
            yield beginning
        finally:
            self._beginning.remove(beginning)

    @contextmanager
    def ending(self, session: str) -> Iterator[Ending]:
        self._asked.add(session)
        yield _EndOne()

    @contextmanager
    def ending_all(self) -> Iterator[Ending]:
        everywhere = _EndAll()
        self._everywhere.append(everywhere)
        self._asked.update(self._known)
        for beginning in self._beginning:
            beginning.beside.append(everywhere)
        yield everywhere
