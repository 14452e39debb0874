"""What a failure means for the message that met it: pure rules, no I/O."""

from enum import StrEnum

# TTL queues of the topology. Mixed TTLs in one queue would block at its head, hence a queue for each.
RUNGS = ("1s", "10s", "1m", "10m")


class Failure(StrEnum):
    TRANSIENT = "transient"  # likely gone when tried again: deadlock, serialization, a timeout
    DEPENDENCY = "dependency"  # nothing will work until it is back: no message's attempts are spent on an outage
    LOST = "lost"  # the connection to a dependency ended under it; see ``on_lost``
    BUG = "bug"  # ours; a person must look


_LADDER: dict[Failure, tuple[str, ...]] = {
    Failure.TRANSIENT: RUNGS,
    Failure.BUG: RUNGS[:2],  # two, in case another release of the worker takes it
}


# In one attempt. Sessions that are ended for a while (a failover, say) hit a message once or twice.
MAX_LOSSES = 3


def failure_after_loss(losses: int) -> Failure:
    """What the *losses*-th loss of a connection in one attempt is: the dependency's fault, until it goes on.

    A message that ends its connection each time, or the whole server, would otherwise be carried out for ever.
    """
    return Failure.DEPENDENCY if losses < MAX_LOSSES else Failure.TRANSIENT


def next_rung(failure: Failure, attempt: int) -> str | None:
    """The rung for a message whose *attempt* (from 1) has failed; ``None`` when it is to be parked."""
    rungs = _LADDER[failure]
    return rungs[attempt - 1] if attempt <= len(rungs) else None


def error_location(error: BaseException) -> str:
    """Class and place of *error*, never its text: that may quote the message's content."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    kind = type(error).__qualname__
    return kind if frame is None else f"{kind} in {frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}"
