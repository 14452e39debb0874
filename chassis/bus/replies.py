"""A reply as it travels: a CloudEvents document about one request, with the outcome as its data."""

from datetime import datetime
from uuid import UUID

from pydantic_core import from_json
from uuid_utils.compat import uuid7

from chassis.bus.ports import Letter
from contracts.envelope import Envelope, enclose
from contracts.outcome import Outcome

EXCHANGE = "autograph.replies"


def reply_letter(
    service: str, request: Envelope, outcome: Outcome, *, reply_to: str, correlation_id: str | None, now: datetime
) -> Letter:
    """The reply to *request*. ``causationid`` names the request; the AMQP correlation id is the asker's own."""
    # Every part is our own or was read from the request: validating it again would take as long as writing it.
    envelope = Envelope.model_construct(
        id=uuid7(),
        source=f"/workers/{service}",
        type=f"autograph.{service}.reply.v1",
        subject=request.subject,
        time=now,
        correlationid=request.correlationid,
        causationid=request.id,
        actor=request.actor,
        traceparent=request.traceparent,
    )
    return Letter(
        exchange=EXCHANGE,
        routing_key=reply_to,
        body=enclose(envelope, outcome.json_bytes()),
        type=envelope.type,
        correlation_id=correlation_id or request.correlationid,
        persistent=False,
        mandatory=False,  # an asker that has gone is no fault: the outcome stands in the inbox
    )


def read_reply(body: bytes) -> tuple[UUID, Outcome]:
    """The id of the request that is answered, and the outcome. Raises ``ValueError`` for what is no reply.

    The rest of the envelope is for others to read: the asker knows what it asked, and waits.
    """
    document = from_json(body)
    if not isinstance(document, dict) or not isinstance(document.get("causationid"), str):
        raise ValueError("a reply names its request as causationid")  # noqa: TRY004 - bad input, not a bug
    return UUID(document["causationid"]), Outcome.model_validate(document.get("data"))
