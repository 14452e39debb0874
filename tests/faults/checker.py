"""The judge: what a history breaks of what was promised. A pure function, the same for real runs and the simulation."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from tests.faults.history import ABSENT, OVER, SUCCEEDED, UNKNOWN, Command, History

TOLERANCE_SECONDS = 0.25  # of a deadline
GROWTH = 1.2  # of a process's memory


class Promise(StrEnum):
    """Which invariant, by the order in which they were named."""

    LOST = "I1 what was acknowledged has its effect"
    MISSING = "I1 what was acknowledged is found"
    DOUBLED = "I1 what was acknowledged has its effect once"
    UNASKED = "I2 there is no effect without its command"
    UNHEARD = "I3 each committed event was published"
    APPLIED_ONCE = "I3 each subscriber applied each event once"
    VERSIONS = "I4 an aggregate's numbers have no gap and never go back"
    STALE = "I4 no read is older than what was told before it began"
    OVERWRITTEN = "I4 no change is made to another revision than the one that it was based on"
    CONTENT = "I4 what is read is what was written"
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
        if not command.is_transient:
            yield from _without_its_row(command, history)
        if command.outcome != SUCCEEDED:
            continue
        if command.aggregate is not None and command.revision is not None:
            found = history.aggregates.get(command.aggregate)
            if found is None or found.revision < command.revision:
                yield f"{_named(command)} made revision {command.revision} of {command.aggregate}, which is not there"
        for ended in command.ends:
            found = history.aggregates.get(ended)
            if found is not None and found.revision < OVER:
                yield f"{_named(command)} ended {ended}, which lives"
    for message, status in history.inbox.items():
        if status == "failed" and message not in history.set_aside:
            yield f"message {message} has failed, and no parking lot has it"


def _without_its_row(command: Command, history: History) -> Iterator[str]:
    status = history.inbox.get(command.id)
    if command.accepted and status is None:
        yield f"{_named(command)} was accepted and never carried out"
    elif command.outcome == SUCCEEDED and status != SUCCEEDED:
        yield f"{_named(command)} was told to have succeeded, and the inbox says {status}"
    elif command.outcome not in (SUCCEEDED, UNKNOWN) and status == SUCCEEDED:
        yield f"{_named(command)} was refused ({command.outcome}), and carried out"


def _doubled(history: History) -> Iterator[str]:
    caused: dict[tuple[UUID, str], set[UUID]] = defaultdict(set)
    numbered: dict[tuple[str, int], set[UUID]] = defaultdict(set)
    for event in history.heard:
        numbered[event.aggregate, event.sequence].add(event.id)
        if event.cause is not None:
            # One command may end many sessions. Of all else it concerns one.
            about = event.aggregate if event.aggregate.startswith("session/") else "the rest"
            caused[event.cause, about].add(event.id)
    for (cause, about), events in caused.items():
        if len(events) > 1:
            yield f"command {cause} had {len(events)} effects on {about}"
    for (aggregate, sequence), events in numbered.items():
        if len(events) > 1:
            yield f"{len(events)} events have the number {sequence} of {aggregate}"
    made: dict[tuple[str, int], Command] = {}
    for command in history.commands:
        if command.aggregate is None or command.revision is None or command.outcome != SUCCEEDED:
            continue
        first = made.setdefault((command.aggregate, command.revision), command)
        if first.id != command.id:
            yield f"{_named(first)} and {_named(command)} both made revision {command.revision} of {command.aggregate}"


def _unasked(history: History) -> Iterator[str]:
    asked = {command.id for command in history.commands}
    for event in {event.id: event for event in history.heard}.values():
        if f"session/{event.cause}" in history.aggregates:
            continue  # a sign-in's, whose session has its id; it leaves no inbox row
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
    told = _told(history)
    for read in history.reads:
        known = max((revision for at, revision in told[read.aggregate] if at < read.begun_at), default=0)
        if ABSENT < read.revision < known:
            yield f"client {read.client} read revision {read.revision} of {read.aggregate}, {known} had been told"


def _missing(history: History) -> Iterator[str]:
    told = _told(history)
    for read in history.reads:
        if (
            read.revision == ABSENT
            and not read.may_be_gone
            and any(at < read.begun_at for at, _ in told[read.aggregate])
        ):
            yield f"client {read.client} did not find {read.aggregate}, which had been told to be there"


def _told(history: History) -> dict[str, list[tuple[float, int]]]:
    """When clients were told which revision, by aggregate. A refusal that names the current one tells as well."""
    told: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for command in history.commands:
        if command.aggregate is not None and command.revision is not None:
            told[command.aggregate].append((command.ended_at, command.revision))
        if command.outcome != UNKNOWN:
            for ended in command.ends:
                told[ended].append((command.ended_at, OVER))
    return told


def _overwritten(history: History) -> Iterator[str]:
    for command in history.commands:
        expected, made = command.expected, command.revision
        if command.outcome == SUCCEEDED and expected is not None and made is not None and made > expected + 1:
            yield f"{_named(command)} was based on revision {expected} of {command.aggregate}, and made {made}"


def _content(history: History) -> Iterator[str]:
    written: dict[str, dict[int, str]] = defaultdict(dict)  # by aggregate and revision
    sent: dict[str, set[str]] = defaultdict(set)
    for command in history.commands:
        if command.aggregate is None or command.digest is None:
            continue
        sent[command.aggregate].add(command.digest)
        if command.outcome != SUCCEEDED:
            continue
        if command.revision is not None:
            written[command.aggregate][command.revision] = command.digest
        found = history.aggregates.get(command.aggregate)
        kept = None if found is None or command.version is None else found.version_digests.get(command.version)
        if kept is not None and kept != command.digest:
            yield f"{_named(command)} wrote version {command.version} of {command.aggregate}, whose content is another"
    shown = [(read.aggregate, read.revision, read.digest, f"client {read.client} read") for read in history.reads]
    shown += [(name, found.revision, found.digest, "the database has") for name, found in history.aggregates.items()]
    for aggregate, revision, digest, who in shown:
        if digest is None:
            continue
        if digest != written[aggregate].get(revision, digest):
            yield f"{who} other content at revision {revision} of {aggregate} than was written"
        elif sent[aggregate] and digest not in sent[aggregate]:
            yield f"{who} content of {aggregate} that nobody wrote"


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
    Promise.MISSING: _missing,
    Promise.DOUBLED: _doubled,
    Promise.UNASKED: _unasked,
    Promise.UNHEARD: _unheard,
    Promise.APPLIED_ONCE: _applied_once,
    Promise.VERSIONS: _versions,
    Promise.STALE: _stale,
    Promise.OVERWRITTEN: _overwritten,
    Promise.CONTENT: _content,
    Promise.LEFT_OVER: _left_over,
    Promise.OVERDUE: _overdue,
    Promise.UNHANDLED: _unhandled,
    Promise.GROWN: _grown,
}
