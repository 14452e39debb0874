"""What becomes of a delivery, for each kind of message and each thing that its handler may come to."""

import pytest

from chassis.bus.decisions import (
    Acknowledge,
    Decision,
    Duplicate,
    Expired,
    Failed,
    Hold,
    Park,
    Refused,
    Reject,
    Reply,
    Result,
    Retry,
    Settled,
    Succeeded,
    decide,
    internal_error,
    unavailable,
)
from chassis.bus.reading import Unreadable
from chassis.failures import RUNGS, Failure
from contracts.message import Kind
from contracts.outcome import Outcome
from contracts.refusal import Forbidden

COMMAND, TRANSIENT, QUERY, EVENT = Kind.COMMAND, Kind.TRANSIENT, Kind.QUERY, Kind.EVENT
DONE = Outcome.succeeded(None)
NO = Outcome.refused(Forbidden("no"))
NONSENSE = Unreadable("invalid", "colour: int_type")
LAST = len(RUNGS) + 1
AT = "KeyError in paint:7"


def failed(failure: Failure) -> Failed:
    return Failed(failure, AT)


@pytest.mark.parametrize(
    ("kind", "attempt", "result", "decision"),
    [
        # What has an outcome is told, where somebody waits for it.
        (COMMAND, 1, Succeeded(DONE), Reply(DONE, Settled.DONE)),
        (TRANSIENT, 1, Succeeded(DONE), Reply(DONE, Settled.DONE)),
        (QUERY, 1, Succeeded(DONE), Reply(DONE, Settled.DONE)),
        (EVENT, 1, Succeeded(DONE), Acknowledge(Settled.DONE)),
        (COMMAND, 1, Duplicate(DONE), Reply(DONE, Settled.DUPLICATE)),
        (EVENT, 1, Duplicate(DONE), Acknowledge(Settled.DUPLICATE)),
        # A refusal is an answer. To an event there is none: it is a failure, and the event is kept.
        (COMMAND, 1, Refused(NO, AT), Reply(NO, Settled.REFUSED)),
        (COMMAND, LAST, Refused(NO, AT), Reply(NO, Settled.REFUSED)),
        (TRANSIENT, 1, Refused(NO, AT), Reply(NO, Settled.REFUSED)),
        (QUERY, 1, Refused(NO, AT), Reply(NO, Settled.REFUSED)),
        (EVENT, 1, Refused(NO, AT), Retry("1s", 2)),
        (EVENT, 2, Refused(NO, AT), Retry("10s", 3)),
        (EVENT, 3, Refused(NO, AT), Park("bug", AT)),
        # Whoever asked a question has gone by the time it could be tried again.
        (QUERY, 1, Expired(), Acknowledge(Settled.EXPIRED)),
        (TRANSIENT, 1, Expired(), Acknowledge(Settled.EXPIRED)),
        (QUERY, 1, failed(Failure.BUG), Reply(internal_error(), Settled.FAILED)),
        (QUERY, 1, failed(Failure.TRANSIENT), Reply(unavailable(), Settled.FAILED)),
        (QUERY, 1, failed(Failure.DEPENDENCY), Reply(unavailable(), Settled.FAILED)),
        (TRANSIENT, 1, failed(Failure.DEPENDENCY), Reply(unavailable(), Settled.FAILED)),
        # An outage spends no attempt, not even the last.
        (COMMAND, 1, failed(Failure.DEPENDENCY), Hold()),
        (COMMAND, LAST, failed(Failure.DEPENDENCY), Hold()),
        (EVENT, LAST, failed(Failure.DEPENDENCY), Hold()),
        # The ladder, and its end.
        (COMMAND, 1, failed(Failure.TRANSIENT), Retry("1s", 2)),
        (COMMAND, 4, failed(Failure.TRANSIENT), Retry("10m", 5)),
        (COMMAND, LAST, failed(Failure.TRANSIENT), Park("transient", AT)),
        (EVENT, 4, failed(Failure.TRANSIENT), Retry("10m", 5)),
        (EVENT, LAST, failed(Failure.TRANSIENT), Park("transient", AT)),
        (COMMAND, 2, failed(Failure.BUG), Retry("10s", 3)),
        (COMMAND, 3, failed(Failure.BUG), Park("bug", AT)),
        (EVENT, 3, failed(Failure.BUG), Park("bug", AT)),
        # To try again what cannot be read would help nobody.
        (COMMAND, 1, NONSENSE, Reject(NONSENSE)),
        (QUERY, 1, NONSENSE, Reject(NONSENSE)),
        (EVENT, 1, NONSENSE, Reject(NONSENSE)),
    ],
)
def test_what_a_handler_came_to_decides_what_becomes_of_its_delivery(
    kind: Kind, attempt: int, result: Result, decision: Decision
) -> None:
    decided = decide(kind, attempt, result)

    assert (type(decided), decided) == (type(decision), decision)


@pytest.mark.parametrize("attempt", range(1, LAST + 2))
@pytest.mark.parametrize("failure", [Failure.TRANSIENT, Failure.BUG, Failure.DEPENDENCY])
def test_no_failure_of_an_event_is_acknowledged_away(failure: Failure, attempt: int) -> None:
    for result in (failed(failure), Refused(NO, AT)):
        assert isinstance(decide(EVENT, attempt, result), Retry | Park | Hold)
