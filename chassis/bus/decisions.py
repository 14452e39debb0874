"""How a delivery is settled: a value that ``decide`` computes from the result of its handler. Pure rules, no I/O.

``executor.Executor`` is the one place that carries a decision out.
"""

from enum import StrEnum
from typing import NamedTuple

from chassis.bus.reading import Unreadable
from chassis.failures import Failure, next_rung
from contracts.message import Kind
from contracts.outcome import Outcome

# The retry delay of a message that should be parked, while its parking lot is full.
PARKING_FULL_RUNG = "1m"


class Settled(StrEnum):
    """How a delivery ended, as the metrics count it."""

    DONE = "done"
    REFUSED = "refused"
    RETRIED = "retried"
    PARKED = "parked"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    FAILED = "failed"  # a query or transient command, which is never retried


# Results


class Succeeded(NamedTuple):
    outcome: Outcome


class Refused(NamedTuple):
    outcome: Outcome
    at: str  # class and place of the refusal


class Duplicate(NamedTuple):
    outcome: Outcome  # of the first delivery, from the inbox


class Failed(NamedTuple):
    failure: Failure  # never LOST: see ``failures.on_lost``
    at: str  # class and place of the error


class Expired(NamedTuple):
    """Its deadline passed before it was handled."""


Result = Succeeded | Refused | Duplicate | Failed | Expired | Unreadable


# Decisions


class Reply(NamedTuple):
    """Reply with *outcome*, and acknowledge."""

    outcome: Outcome
    settled: Settled


class Acknowledge(NamedTuple):
    """Nobody waits for a reply."""

    settled: Settled


class Retry(NamedTuple):
    """Publish a copy that returns to the same queue after the delay of *rung*, as that *attempt*."""

    rung: str
    attempt: int


class Park(NamedTuple):
    """No attempts are left: the parking lot, and a reply to the sender of a command."""

    reason: str
    detail: str


class Reject(NamedTuple):
    """It cannot be read: the parking lot at once, and a reply that says why."""

    unreadable: Unreadable


class Hold(NamedTuple):
    """A dependency is down: handle it again once the gate is open. An outage costs no attempts."""


Decision = Reply | Acknowledge | Retry | Park | Reject | Hold


def decide(kind: Kind, attempt: int, result: Result) -> Decision:
    """*attempt*: the one that gave *result*, from 1."""
    if isinstance(result, Unreadable):
        return Reject(result)
    if isinstance(result, Expired):
        return Acknowledge(Settled.EXPIRED)
    if isinstance(result, Failed):
        return _after_failure(kind, result.failure, attempt, result.at)
    if kind is not Kind.EVENT:
        return Reply(result.outcome, _SETTLED[type(result)])
    if isinstance(result, Refused):  # there is no caller to be refused: acknowledged, the event would be lost
        return _after_failure(kind, Failure.BUG, attempt, result.at)
    return Acknowledge(_SETTLED[type(result)])


def is_worthless_late(kind: Kind) -> bool:
    """Whether it is dropped after its deadline and never retried: its caller no longer waits."""
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
