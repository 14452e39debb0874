"""What leaves on a channel: whole messages, and acknowledgements that say neither too much nor too little."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import aiormq
import pytest
from aiormq import spec
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.frame import unmarshal
from pamqp.header import ContentHeader

from chassis.bus.channels import ConsumingChannel, PublishingChannel
from chassis.bus.connection import BatchingWriter
from chassis.bus.ports import OutgoingMessage

MOST_BYTES = 100


@dataclass
class Underlay:
    """What is used of aiormq's channel."""

    number: int = 7
    is_closed: bool = False
    max_content_size: int = MOST_BYTES
    delivery_tag: int = 0
    confirmations: dict[int, "asyncio.Future[Any]"] = field(default_factory=dict)
    message_id_delivery_tag: dict[str, int] = field(default_factory=dict)


@dataclass
class Wire:
    written: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False

    def frames(self) -> list[Any]:
        frames = []
        data = b"".join(self.written)
        self.written.clear()
        while data:
            taken, number, frame = unmarshal(data)
            assert number == 7
            frames.append(frame)
            data = data[taken:]
        return frames


def publishing(wire: Wire, underlay: Underlay) -> PublishingChannel:
    return PublishingChannel(cast("aiormq.Channel", underlay), cast("BatchingWriter", wire), user="autograph-test")


def a_letter(body: bytes = b"{}", **more: Any) -> OutgoingMessage:
    return OutgoingMessage(
        exchange="autograph.commands", routing_key="a.b", body=body, type="t", correlation_id="c", **more
    )


async def test_a_broker_without_a_limit_for_frames_is_sent_a_body_in_one() -> None:
    wire = Wire()
    publishing(wire, Underlay(max_content_size=-8)).write(a_letter(b"x" * 1_000_000))  # as aiormq reads frame_max = 0
    _, header, body = wire.frames()
    assert header.body_size == len(body.value) == 1_000_000


async def test_a_confirm_that_nobody_awaits_any_more_may_still_come_back() -> None:
    channel = publishing(Wire(), Underlay())
    confirm = channel.publish(a_letter())
    confirm.cancel()
    confirm.set_exception(RuntimeError("returned"))  # as aiormq does, and would end its channel if that raised
    assert confirm.cancelled()


@pytest.mark.parametrize("length", [0, 1, MOST_BYTES, MOST_BYTES + 1, 3 * MOST_BYTES])
async def test_a_body_is_cut_into_frames_of_the_size_that_was_agreed(length: int) -> None:
    wire = Wire()
    publishing(wire, Underlay()).write(a_letter(b"x" * length))
    method, header, *bodies = wire.frames()
    assert isinstance(method, spec.Basic.Publish)
    assert isinstance(header, ContentHeader)
    assert header.body_size == length
    assert all(isinstance(body, ContentBody) and 0 < len(body.value) <= MOST_BYTES for body in bodies)
    assert b"".join(body.value for body in bodies) == b"x" * length


async def test_each_place_is_published_to_under_its_own_name_and_terms() -> None:
    wire = Wire()
    channel = publishing(wire, Underlay())
    places = [("e", "k", True), ("e", "k", False), ("e", "l", True), ("f", "k", True), ("e", "k", True)]
    for exchange, key, mandatory in places:
        outgoing = OutgoingMessage(
            exchange=exchange, routing_key=key, body=b"", type="t", correlation_id="c", mandatory=mandatory
        )
        channel.publish(outgoing)
    channel.abandon()
    methods = [frame for frame in wire.frames() if isinstance(frame, spec.Basic.Publish)]
    assert [(frame.exchange, frame.routing_key, frame.mandatory) for frame in methods] == places


async def test_publishes_are_numbered_in_the_order_in_which_they_are_written() -> None:
    wire, underlay = Wire(), Underlay()
    channel = publishing(wire, underlay)
    confirms = [channel.publish(a_letter(body)) for body in (b"1", b"2", b"3")]
    assert [frame.value for frame in wire.frames() if isinstance(frame, ContentBody)] == [b"1", b"2", b"3"]
    assert [underlay.confirmations[tag] for tag in (1, 2, 3)] == confirms
    channel.abandon()


async def test_only_what_may_come_back_is_kept_by_its_id_and_only_until_its_confirm() -> None:
    wire, underlay = Wire(), Underlay()
    channel = publishing(wire, underlay)
    plain, mandatory = channel.publish(a_letter(mandatory=False)), channel.publish(a_letter())
    headers = [frame for frame in wire.frames() if isinstance(frame, ContentHeader)]
    assert headers[0].properties.message_id is None
    assert underlay.message_id_delivery_tag == {headers[1].properties.message_id: 2}
    mandatory.set_result(spec.Basic.Ack(delivery_tag=2))
    await asyncio.sleep(0)
    assert underlay.message_id_delivery_tag == {}
    plain.cancel()


class FullWire(Wire):
    """Full while anything waits on it. All who drain are woken together, as asyncio does."""

    def __init__(self) -> None:
        super().__init__([b"before"])
        self._emptied = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return bool(self.written)

    async def drain(self) -> None:
        await self._emptied.wait()

    def empty(self) -> None:
        self.written.clear()
        self._emptied.set()
        self._emptied.clear()


async def test_who_waits_for_room_waits_on_while_others_take_it() -> None:
    wire = FullWire()
    channel = publishing(wire, Underlay())

    async def send() -> None:
        await channel.wait_for_room(60)
        channel.write(a_letter())

    sending = [asyncio.create_task(send()) for _ in range(3)]
    for done in (1, 2, 3):
        await asyncio.sleep(0)
        wire.empty()
        for _ in range(10):  # more turns than any of them needs
            await asyncio.sleep(0)
        assert sum(task.done() for task in sending) == done


async def test_of_a_lost_connection_no_confirm_is_awaited() -> None:
    channel = publishing(Wire(), Underlay())
    confirm = channel.publish(a_letter())
    channel.abandon()
    with pytest.raises(asyncio.CancelledError):
        await confirm


class Broker:
    """As RabbitMQ settles: what is not outstanding may not be named, and what is settled is settled once."""

    def __init__(self, delivered: int) -> None:
        self.outstanding = set(range(1, delivered + 1))
        self.acknowledged: list[int] = []

    def take(self, frames: Sequence[Any]) -> None:
        for frame in frames:
            assert frame.delivery_tag in self.outstanding, "PRECONDITION_FAILED - unknown delivery tag"
            if isinstance(frame, spec.Basic.Nack):
                assert frame.requeue
                self.outstanding.discard(frame.delivery_tag)
                continue
            named = (
                {tag for tag in self.outstanding if tag <= frame.delivery_tag}
                if frame.multiple
                else {frame.delivery_tag}
            )
            self.outstanding -= named
            self.acknowledged += sorted(named)


async def acknowledged(*turns: Sequence[int]) -> list[tuple[int, bool]]:
    wire = Wire()
    channel = ConsumingChannel(cast("aiormq.Channel", Underlay()), cast("BatchingWriter", wire))
    for tags in turns:
        for tag in tags:
            channel.acknowledge(tag)
        await asyncio.sleep(0)
    return [(frame.delivery_tag, frame.multiple) for frame in wire.frames()]


@pytest.mark.parametrize(
    ("turns", "frames"),
    [
        ([[1]], [(1, False)]),
        ([[2, 1, 3]], [(3, True)]),
        ([[1, 3]], [(1, False), (3, False)]),  # the second is in hand
        ([[2, 3]], [(2, False), (3, False)]),  # the first is in hand
        ([[1, 3], [2]], [(1, False), (3, False), (2, False)]),
        ([[2, 3], [1, 4]], [(2, False), (3, False), (4, True)]),
    ],
)
async def test_what_is_done_in_one_turn_is_acknowledged_together_and_what_is_in_hand_is_not(
    turns: list[list[int]], frames: list[tuple[int, bool]]
) -> None:
    assert await acknowledged(*turns) == frames


@given(st.permutations(range(1, 9)), st.lists(st.booleans(), min_size=8, max_size=8), st.sets(st.integers(0, 7)))
async def test_each_delivery_is_settled_once_as_it_was_said_and_none_before(
    order: list[int], given_back: list[bool], pauses: set[int]
) -> None:
    wire, broker = Wire(), Broker(delivered=8)
    channel = ConsumingChannel(cast("aiormq.Channel", Underlay()), cast("BatchingWriter", wire))
    said: list[int] = []
    for position, tag in enumerate(order):
        if given_back[position]:
            channel.requeue(tag)
        else:
            channel.acknowledge(tag)
            said.append(tag)
        if position in pauses:
            await asyncio.sleep(0)
            broker.take(wire.frames())
            assert sorted(broker.acknowledged) == sorted(said)
    await asyncio.sleep(0)
    broker.take(wire.frames())
    assert sorted(broker.acknowledged) == sorted(said)
    assert not broker.outstanding
