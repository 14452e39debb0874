"""The judge: what a history breaks of what was promised. A pure function, the same for real runs and the simulation."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from tests.faults.history import SUCCEEDED, UNKNOWN, Command, History

TOLERANCE_SECONDS = 0.25  # of a deadline
GROWTH = 1.2  # of a process's memory


class Promise(StrEnum):
    """Which invariant, by the order in which they were named."""

    LOST = "I1 what was acknowledged has its effect"
    DOUBLED = "I1 what was acknowledged has its effect once"
    UNASKED = "I2 there is no effect without its command"
    UNHEARD = "I3 each committed event was published"
    APPLIED_ONCE = "I3 each subscriber applied each event once"
    VERSIONS = "I4 an aggregate's numbers have no gap and never go back"
    STALE = "I4 no read is older than what was told before it began"
    LEFT_OVER = "I5 nothing is left on its way"
    OVERDUE = "I6 no request outlives its deadline"
    UNHANDLED = "I7 no exception goes unheard"
    GROWN = "I8 memory comes back"


@dataclass(frozen=True, slots=True)
class Violation:
    promise: Promise
    evidence: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.evidence}"


def check(history: History) -> list[Violation]:
    """Everything that is broken; nothing, if all held."""
    return [
        Violation(promise, evidence) for promise, broken_by in _INVARIANTS.items() for evidence in broken_by(history)
    ]


def _lost(history: History) -> Iterator[str]:
    for command in history.commands:
        status = history.inbox.get(command.id)
        if command.accepted and status is None:
            yield f"{_named(command)} was accepted and never carried out"
        elif command.outcome == SUCCEEDED and status != SUCCEEDED:
            yield f"{_named(command)} was told to have succeeded, and the inbox says {status}"
        elif command.outcome not in (SUCCEEDED, UNKNOWN) and status == SUCCEEDED:
            yield f"{_named(command)} was refused ({command.outcome}), and carried out"
        if command.outcome == SUCCEEDED and command.aggregate is not None and command.revision is not None:
            found = history.aggregates.get(command.aggregate)
            if found is None or found.revision < command.revision:
                yield f"{_named(command)} made revision {command.revision} of {command.aggregate}, which is not there"


def _doubled(history: History) -> Iterator[str]:
    caused: dict[UUID, set[UUID]] = defaultdict(set)
    for event in history.heard:
        if event.cause is not None:
            caused[event.cause].add(event.id)
    for cause, events in caused.items():
        if len(events) > 1:
            yield f"command {cause} had {len(events)} effects"
    made: dict[tuple[str, int], Command] = {}
    for command in history.commands:
        if command.aggregate is None or command.revision is None:
            continue
        first = made.setdefault((command.aggregate, command.revision), command)
        if first.id != command.id:
            yield f"{_named(first)} and {_named(command)} both made revision {command.revision} of {command.aggregate}"


def _unasked(history: History) -> Iterator[str]:
    asked = {command.id for command in history.commands}
    for event in {event.id: event for event in history.heard}.values():
        if event.cause not in asked:
            yield f"event {event.id} about {event.aggregate} is nobody's command's"
        elif history.inbox.get(event.cause) != SUCCEEDED:
            yield f"event {event.id} was announced, and its command is {history.inbox.get(event.cause, 'unknown')}"


def _unheard(history: History) -> Iterator[str]:
    heard: dict[str, set[int]] = defaultdict(set)
    for event in history.heard:
        heard[event.aggregate].add(event.sequence)
    for name, aggregate in history.aggregates.items():
        missing = set(range(1, aggregate.sequence + 1)) - heard[name]
        if missing:
            yield f"events {sorted(missing)} about {name} were never published"


def _applied_once(history: History) -> Iterator[str]:
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for event in history.heard:
        for subscriber in event.subscribers:
            wanted[subscriber].add(event.id)
    for subscriber in wanted.keys() | history.applied.keys():
        times = Counter(history.applied.get(subscriber, ()))
        yield from (f"{subscriber} applied {event} {count} times" for event, count in times.items() if count > 1)
        yield from (f"{subscriber} never applied {event}" for event in wanted[subscriber] - times.keys())


def _versions(history: History) -> Iterator[str]:
    for name, aggregate in history.aggregates.items():
        if aggregate.versions != tuple(range(1, len(aggregate.versions) + 1)):
            yield f"{name} has versions {aggregate.versions}"


def _stale(history: History) -> Iterator[str]:
    """A read may show what is newer than it knew, never what is older, whoever was told of it."""
    told: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for command in history.commands:
        if command.outcome == SUCCEEDED and command.aggregate is not None and command.revision is not None:
            told[command.aggregate].append((command.ended_at, command.revision))
    for read in history.reads:
        known = max((revision for at, revision in told[read.aggregate] if at < read.begun_at), default=0)
        if read.revision < known:
            yield f"client {read.client} read revision {read.revision} of {read.aggregate}, {known} had been told"


def _left_over(history: History) -> Iterator[str]:
    left = {"outbox": history.outbox, "parked": history.parked, "waiting": history.waiting}
    yield from (f"{count} {where}" for where, count in left.items() if count)


def _overdue(history: History) -> Iterator[str]:
    for request in history.requests:
        if request.allowed_seconds is not None and request.seconds > request.allowed_seconds + TOLERANCE_SECONDS:
            yield f"a request took {request.seconds:.2f} s, {request.allowed_seconds:.2f} s were allowed"


def _unhandled(history: History) -> Iterator[str]:
    yield from history.unhandled


def _grown(history: History) -> Iterator[str]:
    for process, (before, after) in history.resident_bytes.items():
        if after > before * GROWTH:
            yield f"{process} grew from {before >> 20} to {after >> 20} MiB"


def _named(command: Command) -> str:
    return f"command {command.id} of client {command.client}"


_INVARIANTS: dict[Promise, Callable[[History], Iterator[str]]] = {
    Promise.LOST: _lost,
    Promise.DOUBLED: _doubled,
    Promise.UNASKED: _unasked,
    Promise.UNHEARD: _unheard,
    Promise.APPLIED_ONCE: _applied_once,
    Promise.VERSIONS: _versions,
    Promise.STALE: _stale,
    Promise.LEFT_OVER: _left_over,
    Promise.OVERDUE: _overdue,
    Promise.UNHANDLED: _unhandled,
    Promise.GROWN: _grown,
}
