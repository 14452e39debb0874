"""Kinds of failures, and what happens to the message that failed: pure rules, no I/O."""

from enum import StrEnum

# TTL queues of the topology, one for each TTL: a queue with mixed TTLs is blocked by the message at its head.
RUNGS = ("1s", "10s", "1m", "10m")


class Failure(StrEnum):
    TRANSIENT = "transient"  # a retry is likely to succeed: deadlock, serialization, a timeout
    DEPENDENCY = "dependency"  # no message succeeds until it is back: wait, and count no attempt
    LOST = "lost"  # the connection to a dependency ended; see ``failure_after_loss``
    BUG = "bug"  # a retry gives the same: a person must look


_LADDER: dict[Failure, tuple[str, ...]] = {
    Failure.TRANSIENT: RUNGS,
    Failure.BUG: RUNGS[:2],  # two, in case another release of the worker takes it
}


# In one attempt. An outage, such as a failover, ends the connection of a message once or twice.
MAX_LOSSES = 3


def failure_after_loss(losses: int) -> Failure:
    """The kind of the *losses*-th loss of a connection in one attempt: an outage first, then the message's own failure.

    Otherwise a message that ends its connection or the server each time would be handled for ever.
    """
    return Failure.DEPENDENCY if losses < MAX_LOSSES else Failure.TRANSIENT


def next_rung(failure: Failure, attempt: int) -> str | None:
    """The rung for a message whose *attempt* (from 1) has failed; ``None`` when it is to be parked."""
    rungs = _LADDER[failure]
    return rungs[attempt - 1] if attempt <= len(rungs) else None


def error_location(error: BaseException) -> str:
    """Class and place of *error*, without its text, which may quote the message's content."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    kind = type(error).__qualname__
    return kind if frame is None else f"{kind} in {frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}"
