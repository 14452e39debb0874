"""Named places in the delivery path at which a fault test makes this process die, wait, fail or hang.

``AUTOGRAPH_FAILPOINTS`` names a folder. Its file ``armed`` says what happens where, a rule a line:

    after_commit=kill:every=7,times=500
    before_ack@diagram.commands=sleep:seconds=0.5

The file may change while processes run. Each firing is a line in the file ``fired``, written before the action, so that
a kill is counted too. Without the variable ``ARMED`` is false, and a point only evaluates that.
"""

import asyncio
import contextvars
import fcntl
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

VARIABLE: Final = "AUTOGRAPH_FAILPOINTS"  # read here and not in settings: the points must know at import
ARMED: Final = bool(os.environ.get(VARIABLE))


# True in the task of a suspect message, which is handled alone (see ``bus.quarantine``).
SUSPECT: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("suspect", default=False)


class Action(StrEnum):
    KILL = "kill"  # SIGKILL to this process
    SLEEP = "sleep"  # this task alone, for `seconds`
    BLOCK = "block"  # the whole event loop, for `seconds`
    RAISE = "raise"  # ``Injected``


class Injected(Exception):
    """Raised by a point with the action ``raise``: to the code around it, a bug."""


@dataclass(frozen=True, slots=True)
class Rule:
    point: str
    action: Action
    of: str = ""  # only if the point is reached for this message or queue
    every: int = 1  # each process counts its own
    times: int | None = None  # over all processes and their restarts: counted in ``fired``
    seconds: float = 0.0
    sparing: bool = False  # do not fire for suspect messages: a random fault must not make one message look like poison

    @property
    def name(self) -> str:
        return f"{self.point}@{self.of}" if self.of else self.point


def parse(text: str) -> list[Rule]:
    """Raises ``ValueError``: a misspelt rule must not look like a fault that never happened."""
    return [_rule(line.strip()) for line in text.splitlines() if line.strip()]


def _rule(line: str) -> Rule:
    place, _, what = line.partition("=")
    point, _, of = place.partition("@")
    action, _, rest = what.partition(":")
    options = dict(option.split("=", 1) for option in rest.split(",") if option)
    rule = Rule(
        point,
        Action(action),
        of,
        every=int(options.pop("every", 1)),
        times=int(options.pop("times")) if "times" in options else None,
        seconds=float(options.pop("seconds", 0)),
        sparing=options.pop("sparing", "0") == "1",
    )
    if options or not point:
        raise ValueError(f"not a rule: {line}")
    return rule


class Failpoints:
    def __init__(self, folder: Path) -> None:
        self._armed = folder / "armed"
        self._fired = folder / "fired"
        self._rules: list[Rule] = []
        self._read_at: tuple[int, int] | None = None
        self._reached: Counter[str] = Counter()

    async def reached(self, point: str, of: str = "") -> None:
        """Apply the rule of *point*, if any. *of*: the message or queue for which the point is reached."""
        rule = self._due(point, of)
        if rule is None:
            return
        match rule.action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.SLEEP:
                await asyncio.sleep(rule.seconds)
            case Action.BLOCK:
                time.sleep(rule.seconds)  # noqa: ASYNC251 - that it blocks the loop is the fault
            case Action.RAISE:
                raise Injected(point)

    def _due(self, point: str, of: str) -> Rule | None:
        self._look()
        for rule in self._rules:
            if rule.point == point and rule.of in ("", of) and not (rule.sparing and SUSPECT.get()):
                self._reached[rule.name] += 1
                if self._reached[rule.name] % rule.every == 0 and self._fires(rule):
                    return rule
        return None

    def _look(self) -> None:
        try:
            found = self._armed.stat()
        except FileNotFoundError:
            self._rules = []
            self._read_at = None
            return
        version = (found.st_ino, found.st_mtime_ns)
        if version != self._read_at:
            self._rules = parse(self._armed.read_text(encoding="utf-8"))
            self._read_at = version
            self._reached.clear()

    def _fires(self, rule: Rule) -> bool:
        """Whether *rule* may still fire; if so, record it. Under a file lock, as all processes count together."""
        with self._fired.open("a+", encoding="utf-8") as fired:
            fcntl.flock(fired, fcntl.LOCK_EX)
            if rule.times is not None:
                fired.seek(0)
                if sum(line.split(" ", 1)[0] == rule.name for line in fired) >= rule.times:
                    return False
            fired.write(f"{rule.name} {rule.action} {os.getpid()} {time.time():.6f}\n")
        return True


reached: Final = Failpoints(Path(os.environ.get(VARIABLE, ""))).reached
