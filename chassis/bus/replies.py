"""Replies on the wire: CloudEvents documents about one request, with the outcome as data."""

from datetime import datetime
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from chassis.bus.ports import Delivery, NotPublished, OutgoingMessage, Publisher
from chassis.logging import logger
from contracts.envelope import Envelope, enclose
from contracts.outcome import Outcome, Status
from contracts.refusal import Problem

EXCHANGE = "autograph.replies"

_log = logger(__name__)


async def send_reply(
    publisher: Publisher, service: str, delivery: Delivery, envelope: Envelope, outcome: Outcome, *, now: datetime
) -> None:
    """To whom *delivery* names, if anybody. One that is not sent is no loss: a repeat is told what the inbox has."""
    if delivery.reply_to is None:
        return
    outgoing = reply_message(
        service, envelope, outcome, reply_to=delivery.reply_to, correlation_id=delivery.correlation_id, now=now
    )
    try:
        await publisher.send(outgoing)
    except NotPublished:
        _log.warning("reply_not_sent")


def reply_message(
    service: str, request: Envelope, outcome: Outcome, *, reply_to: str, correlation_id: str | None, now: datetime
) -> OutgoingMessage:
    """The reply to *request*. ``causationid`` names the request; the AMQP correlation id is the asker's own."""
    envelope = Envelope(
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
    return OutgoingMessage(
        exchange=EXCHANGE,
        routing_key=reply_to,
        body=enclose(envelope, outcome.json_bytes()),
        type=envelope.type,
        correlation_id=correlation_id or request.correlationid,
        persistent=False,
        mandatory=False,  # the client may be gone; the outcome is in the inbox
    )


def read_reply(body: bytes) -> tuple[UUID, Outcome]:
    """The id of the request, and the outcome. Raises ``ValueError`` for an invalid reply.

    The rest of the envelope is not parsed: the client knows its request.
    """
    try:
        document = _read(body)
    except RecursionError:
        raise ValueError("a reply is not as deep as that") from None
    str(body, "utf-8")  # the slices below are forwarded without parsing
    data = document.data
    return document.causationid, Outcome(
        status=data.status,
        reply=None if data.reply == _NULL else bytes(data.reply),
        problem=None if data.problem == _NULL else Problem.model_validate_json(bytes(data.problem)),
        replayed=data.replayed,
    )


_NULL = msgspec.Raw(b"null")


class _Data(msgspec.Struct):
    status: Status
    reply: msgspec.Raw = _NULL
    problem: msgspec.Raw = _NULL
    replayed: bool = False


class _Document(msgspec.Struct):
    causationid: UUID
    data: _Data


_read = msgspec.json.Decoder(_Document).decode
