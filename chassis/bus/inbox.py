"""The inbox as message handling uses it: find and record a message's outcome."""

from typing import Protocol
from uuid import UUID

from chassis.bus.decisions import Duplicate, Refused
from chassis.bus.reading import Received
from chassis.unit_of_work import InboxRow
from contracts.envelope import Envelope
from contracts.outcome import Outcome


class Inbox(Protocol):
    async def find(self, actor: str, message_id: UUID) -> InboxRow | None: ...
    async def record(self, envelope: Envelope, outcome: Outcome) -> bool: ...


async def recorded_outcome(inbox: Inbox, received: Received) -> Duplicate | Refused:
    """The outcome of a message that is in the inbox. ``Refused``: its id was used for another request."""
    row = await inbox.find(received.envelope.actor.key, received.envelope.id)
    if row is None:
        raise LookupError("the inbox refused a message that it does not have")
    if row.fingerprint != received.envelope.fingerprint:
        return Refused(row.outcome_for(received.envelope.fingerprint), "another request has this id")
    # After a crash the broker or the ladder brings the same delivery again: the caller has heard nothing yet.
    again_by_caller = not received.delivery.redelivered and received.attempt == 1
    return Duplicate(row.outcome.model_copy(update={"replayed": again_by_caller}))
