"""What becomes of a delivery: a value that ``decide`` chooses from what its handler came to. Pure rules, no I/O.

``executor.Executor`` is the one place that carries a decision out.
"""

from enum import StrEnum
from typing import NamedTuple

from chassis.bus.reading import Unreadable
from chassis.failures import Failure, next_rung
from contracts.message import Kind
from contracts.outcome import Outcome

# After which what should be parked comes again, while its parking lot is full.
PARKING_FULL_RUNG = "1m"


class Settled(StrEnum):
    """How a delivery ended, as the metrics count it."""

    DONE = "done"
    REFUSED = "refused"
    RETRIED = "retried"
    PARKED = "parked"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    FAILED = "failed"  # of queries and transient commands, which are never tried again


# What the handler came to


class Succeeded(NamedTuple):
    outcome: Outcome


class Refused(NamedTuple):
    outcome: Outcome
    at: str  # class and place of the refusal


class Duplicate(NamedTuple):
    outcome: Outcome  # of the first delivery, as the inbox has it


class Failed(NamedTuple):
    failure: Failure  # never LOST: see ``failures.on_lost``
    at: str  # class and place of the error


class Expired(NamedTuple):
    """Its deadline was over before it was handled."""


Result = Succeeded | Refused | Duplicate | Failed | Expired | Unreadable


# What is done about it


class Reply(NamedTuple):
    """Tell the asker *outcome*, and acknowledge."""

    outcome: Outcome
    settled: Settled


class Acknowledge(NamedTuple):
    """Nobody waits for a reply."""

    settled: Settled


class Retry(NamedTuple):
    """A copy comes back to the same queue after the time of *rung*, as that *attempt*."""

    rung: str
    attempt: int


class Park(NamedTuple):
    """It has spent its attempts: a person decides. The sender of a command is told."""

    reason: str
    detail: str


class Reject(NamedTuple):
    """Nobody here can carry it out: parked at once, and the sender is told what is wrong with it."""

    unreadable: Unreadable


class Hold(NamedTuple):
    """A dependency is down: handle it again once the gate is open. No attempt is spent on an outage."""


Decision = Reply | Acknowledge | Retry | Park | Reject | Hold


def decide(kind: Kind, attempt: int, result: Result) -> Decision:
    """*attempt*: which one this was, from 1."""
    if isinstance(result, Unreadable):
        return Reject(result)
    if isinstance(result, Expired):
        return Acknowledge(Settled.EXPIRED)
    if isinstance(result, Failed):
        return _after_failure(kind, result.failure, attempt, result.at)
    if kind is not Kind.EVENT:
        return Reply(result.outcome, _SETTLED[type(result)])
    if isinstance(result, Refused):  # nobody asked, so nobody would hear of it, and the event would be gone
        return _after_failure(kind, Failure.BUG, attempt, result.at)
    return Acknowledge(_SETTLED[type(result)])


def is_worthless_late(kind: Kind) -> bool:
    """Never tried again, and dropped after its deadline: its asker has gone."""
    return kind in (Kind.QUERY, Kind.TRANSIENT)


def _after_failure(kind: Kind, failure: Failure, attempt: int, at: str) -> Reply | Retry | Park | Hold:
    if is_worthless_late(kind):
        return Reply(internal_error() if failure is Failure.BUG else unavailable(), Settled.FAILED)
    if failure is Failure.DEPENDENCY:
        return Hold()
    rung = next_rung(failure, attempt)
    return Park(failure.value, at) if rung is None else Retry(rung, attempt + 1)


def unavailable() -> Outcome:
    return Outcome.failed("unavailable", "Service unavailable")


def parked() -> Outcome:
    return Outcome.failed("parked", "The command failed and is parked")


def internal_error() -> Outcome:
    return Outcome.failed("internal_error", "Internal error")


_SETTLED = {Succeeded: Settled.DONE, Duplicate: Settled.DUPLICATE, Refused: Settled.REFUSED}
