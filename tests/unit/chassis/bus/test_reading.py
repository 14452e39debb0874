"""What is read, and what is believed, of a delivery."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar
from uuid import UUID

import pytest
from pydantic import PlainSerializer, PlainValidator
from pydantic_core import from_json, to_json

from chassis.bus import headers
from chassis.bus.handlers import Handlers
from chassis.bus.ports import Delivery
from chassis.bus.reading import Unreadable, read
from contracts.envelope import CONTENT_TYPE, Actor, ActorKind, Envelope, encode, producer_id
from contracts.message import MAX_ENVELOPE_BYTES, Command, Event
from contracts.scanning import ScannedJson
from contracts.text import storable_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USER = Actor(kind=ActorKind.USER, id=UUID(int=1))


class Paint(Command[None]):
    wire_name: ClassVar[str] = "autograph.easel.paint.v1"
    colour: str


class Burn(Command[None]):
    wire_name: ClassVar[str] = "autograph.easel.burn.v1"
    operator_only: ClassVar[bool] = True


class Draw(Command[None]):
    wire_name: ClassVar[str] = "autograph.easel.draw.v1"
    max_bytes: ClassVar[int] = 1_000_000
    opaque: ClassVar[str | None] = "canvas"

    title: str
    canvas: Annotated[bytes, PlainValidator(storable_json), PlainSerializer(from_json)]


class Dried(Event):
    wire_name: ClassVar[str] = "autograph.sun.dried.v1"


handlers: Handlers[None] = Handlers()


@handlers.answers(Paint)
async def paint(command: Paint, envelope: Envelope, tools: None) -> None: ...


@handlers.answers(Burn)
async def burn(command: Burn, envelope: Envelope, tools: None) -> None: ...


@handlers.answers(Draw)
async def draw(command: Draw, envelope: Envelope, tools: None) -> None: ...


@handlers.hears(Dried)
async def dried(event: Dried, envelope: Envelope, tools: None) -> None: ...


def envelope_of(message: type[Paint | Burn | Draw | Dried] = Paint, actor: Actor = USER) -> Envelope:
    return Envelope(
        id=UUID(int=7), source="/gateway", type=message.wire_name, time=NOW, correlationid="c-1", actor=actor
    )


def delivery(
    message: Paint | Burn | Draw | Dried | None = None,
    *,
    actor: Actor = USER,
    user: str | None = "autograph-gateway",
    key: str | None = None,
    reply_to: str | None = None,
    marks: Mapping[str, object] | None = None,
    exchange: str = "autograph.commands",
) -> Delivery:
    message = message or Paint(colour="red")
    return Delivery(
        queue="easel.commands",
        body=encode(envelope_of(type(message), actor), message),
        content_type=CONTENT_TYPE,
        routing_key=key or message.routing_key(),
        user_id=user,
        reply_to=reply_to,
        correlation_id=None,
        redelivered=False,
        headers=marks or {},
        exchange=exchange,
    )


def refused(of: Delivery) -> str:
    with pytest.raises(Unreadable) as caught:
        read(of, "easel", handlers.by_wire_name)
    return caught.value.reason


OPERATOR = Actor(kind=ActorKind.SERVICE, id=UUID(int=1), name=headers.OPERATOR_USER)
BILLING = Actor(kind=ActorKind.PRODUCER, id=producer_id("producer-billing"), name="producer-billing")


def test_a_command_of_the_operators_is_read_from_its_user_only() -> None:
    sent = delivery(Burn(), actor=OPERATOR, user=headers.OPERATOR_USER)
    assert isinstance(read(sent, "easel", handlers.by_wire_name).message, Burn)

    for user, actor in (
        ("autograph-gateway", OPERATOR),
        ("autograph-gateway", USER),
        ("producer-billing", BILLING),
        ("producer-billing", OPERATOR),
        (headers.OPERATOR_USER, USER),
        ("autograph-easel", OPERATOR),
    ):
        assert refused(delivery(Burn(), actor=actor, user=user)) == "untrusted", (user, actor)


def test_the_operator_sends_no_other_command() -> None:
    for actor in (OPERATOR, USER):
        assert refused(delivery(actor=actor, user=headers.OPERATOR_USER)) == "untrusted"


def test_a_message_of_the_gateways_is_read() -> None:
    received = read(delivery(reply_to="reply.autograph-gateway.1"), "easel", handlers.by_wire_name)

    assert received.message == Paint(colour="red")
    assert (received.sender, received.routing_key, received.attempt) == ("autograph-gateway", "easel.paint", 1)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"{}", b'{"specversion":"1.0"}', b"null"])
def test_what_is_no_cloudevent_is_undecodable(body: bytes) -> None:
    assert refused(delivery()._replace(body=body)) == "undecodable"


def test_another_content_type_is_undecodable() -> None:
    assert refused(delivery()._replace(content_type="application/json")) == "undecodable"


def test_an_unknown_version_is_an_unknown_type() -> None:
    document = from_json(delivery().body) | {"type": "autograph.easel.paint.v2"}

    assert refused(delivery()._replace(body=to_json(document))) == "unknown_type"


def test_a_payload_that_does_not_fit_names_the_place_and_not_the_value() -> None:
    document = from_json(delivery().body) | {"data": {"colour": {"secret": "hunter2"}}}

    with pytest.raises(Unreadable) as caught:
        read(delivery()._replace(body=to_json(document)), "easel", handlers.by_wire_name)

    assert caught.value.reason == "invalid"
    assert "colour" in caught.value.detail
    assert "hunter2" not in caught.value.detail
    assert caught.value.envelope is not None


PRODUCER = Actor(kind=ActorKind.PRODUCER, id=producer_id("producer-press"), name="producer-press")


@pytest.mark.parametrize("exchange", ["autograph.producers.press", "autograph.commands"])
def test_a_producer_may_act_as_itself_by_where_the_broker_checks_its_rights(exchange: str) -> None:
    sent = delivery(actor=PRODUCER, user="producer-press", exchange=exchange)
    assert read(sent, "easel", handlers.by_wire_name).sender == "producer-press"


def test_what_took_a_detour_is_untrusted_whatever_is_in_it() -> None:
    """Else it would be parked for another reason, and be a trusted copy once it is put back."""
    sent = delivery(actor=PRODUCER, user="producer-press", exchange="reply.producer-press.1")
    assert refused(sent._replace(body=b"nonsense")) == "untrusted"
    assert refused(sent._replace(headers={headers.ORIGINAL_USER: "producer-press"})) == "untrusted"


@pytest.mark.parametrize(
    "untrusted",
    [
        delivery(user=None),
        delivery(user="producer-press"),  # for a user
        delivery(actor=PRODUCER, user="producer-other"),
        delivery(actor=PRODUCER.model_copy(update={"id": UUID(int=1)}), user="producer-press"),
        delivery(user="autograph-sun"),
        delivery(Dried(), user="autograph-gateway"),
        delivery(key="easel.varnish"),
        delivery(reply_to="reply.producer-press.1"),
        delivery(reply_to="easel.commands"),
        delivery(marks={"CC": ["easel.paint"]}),
        delivery(actor=PRODUCER, user="producer-press", exchange="reply.producer-press.1"),
        delivery(actor=PRODUCER, user="producer-press", exchange="autograph.producers.other"),
        delivery(actor=PRODUCER, user="producer-press", exchange=""),
        delivery(actor=PRODUCER, user="producer-press", marks={"x-death": [{"queue": "reply.producer-press.1"}]}),
        delivery(user="producer-press", marks={headers.ORIGINAL_USER: "autograph-gateway"}),
        delivery(user="autograph-sun", marks={headers.ORIGINAL_USER: "autograph-gateway"}),
        delivery(user="autograph-easel", marks={headers.ORIGINAL_USER: "autograph-gateway", headers.ATTEMPT: "9"}),
    ],
)
def test_what_the_broker_does_not_vouch_for_is_not_believed(untrusted: Delivery) -> None:
    assert refused(untrusted) == "untrusted"


@pytest.mark.parametrize("passed_on_by", ["autograph-easel", headers.OPERATOR_USER])
def test_a_copy_made_by_the_service_or_the_operator_keeps_its_origin(passed_on_by: str) -> None:
    copy = delivery(
        user=passed_on_by,
        key="easel.commands",
        reply_to="reply.autograph-gateway.1",
        marks={
            headers.ORIGINAL_USER: "autograph-gateway",
            headers.ORIGINAL_ROUTING_KEY: "easel.paint",
            headers.ATTEMPT: 3,
        },
    )

    received = read(copy, "easel", handlers.by_wire_name)

    assert (received.sender, received.routing_key, received.attempt) == ("autograph-gateway", "easel.paint", 3)


def drawing(canvas: bytes, title: bytes = b"Plan", *, actor: Actor = PRODUCER) -> Delivery:
    command, sender = Draw(title="-", canvas=b"{}"), actor.name or "autograph-gateway"
    exchange = headers.producer_exchange(sender) if actor is PRODUCER else "autograph.commands"
    whole = delivery(command, actor=actor, user=sender, exchange=exchange)
    return whole._replace(body=whole.body.replace(b'"-"', b'"%b"' % title).replace(b"{}", canvas))


def test_a_large_canvas_is_scanned_and_not_parsed() -> None:
    canvas = b'{"elements":[%b]}' % b",".join([b'{"":{}}'] * 50_000)
    message = read(drawing(canvas), "easel", handlers.by_wire_name).message
    assert isinstance(message, Draw)
    assert isinstance(message.canvas, ScannedJson)
    assert message.canvas == canvas


def test_what_the_gateway_has_scanned_is_not_scanned_again_and_a_producers_is() -> None:
    repeated = b'{"elements":[%b],"a":1,"a":2}' % b",".join([b'{"":{}}'] * 50_000)
    assert refused(drawing(repeated)) == "undecodable"
    of_gateway = drawing(repeated, actor=USER)
    marks = {headers.ORIGINAL_USER: "autograph-gateway", headers.ORIGINAL_ROUTING_KEY: of_gateway.routing_key}
    retried = of_gateway._replace(user_id="autograph-easel", routing_key="easel.commands", headers=marks)
    for sent in (of_gateway, retried):
        message = read(sent, "easel", handlers.by_wire_name).message
        assert isinstance(message, Draw)
        assert message.canvas == repeated
    assert refused(retried._replace(user_id=PRODUCER.name)) == "undecodable"  # no copy of the service: scanned


def test_of_more_bytes_than_its_contract_allows_nothing_is_parsed() -> None:
    red = delivery()
    padded = red._replace(body=red.body.replace(b'"red"', b'"red"' + b" " * (Paint.max_bytes + MAX_ENVELOPE_BYTES)))
    assert refused(padded) == "too_large"
    assert refused(padded._replace(body=b"[" * (Draw.max_bytes + MAX_ENVELOPE_BYTES + 1))) == "too_large"


@pytest.mark.parametrize("item", [b"[]", b'{"":{}}', b'"a"', b"1"])
def test_what_would_take_many_times_its_bytes_is_not_parsed(item: bytes) -> None:
    dense = b",".join([item] * (400_000 // len(item)))
    red = delivery()
    assert refused(red._replace(body=red.body.replace(b'"red"', b"[%b]" % dense))) in ("too_large", "undecodable")
    assert refused(red._replace(body=b"[%b]" % dense)) == "undecodable"


@pytest.mark.parametrize(
    "canvas",
    [
        b'{"a":1,"a":2}',
        b'{"a":' * 80 + b"1" + b"}" * 80,
        rb'{"a":"\u0000"}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":}',
    ],
)
def test_a_canvas_that_cannot_be_kept_is_parked_however_large_it_is(canvas: bytes) -> None:
    for size in (0, 200_000):
        if canvas != b'{"a":1,"a":2}' or size:  # a small one that a gateway has not checked keeps the last
            large = b'{"b":"%b",' % (b"x" * size) + canvas[1:]
            assert refused(drawing(large)) in ("undecodable", "invalid")
