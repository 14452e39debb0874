"""A publish is confirmed, certainly not taken, or unknown: never a guess, never a hang."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.bus.amqp import AmqpPublisher
from chassis.bus.link import CONNECT_SECONDS
from chassis.bus.ports import ConfirmMissing, MessageTooLarge, NotPublished, QueueFull, Unroutable
from chassis.bus.topology import MAX_MESSAGE_BYTES
from tests.brokers import close_connections, limit_queue, open_channel, service_url
from tests.eventually import eventually
from tests.integration.chassis.bus.broker_scene import a_letter, open_publisher, running
from tests.integration.chassis.proxy import Proxy
from tests.servers import Vhost

CREATE = "diagram.create_diagram"
MORE_THAN_FITS = [a_letter(CREATE, b"x" * 200_000) for _ in range(100)]  # between us and a peer that reads nothing


@asynccontextmanager
async def publisher_behind_proxy(vhost: Vhost) -> AsyncIterator[tuple[AmqpPublisher, Proxy]]:
    async with Proxy(service_url(vhost, "gateway")) as proxy:
        publisher = AmqpPublisher(proxy.url, user="autograph-gateway", name="test")
        async with running(publisher.link.run()):
            await publisher.link.wait_up()
            yield publisher, proxy


async def depth(vhost: Vhost, queue: str) -> int:
    async with open_channel(vhost.url) as channel:
        found = await channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


async def test_what_is_confirmed_is_in_its_queue(broker: Vhost) -> None:
    async with open_publisher(broker, "gateway") as publisher:
        await publisher.publish(a_letter(CREATE))
        assert await depth(broker, "diagram.commands") == 1


async def test_a_message_says_who_sent_it_and_what_it_is(broker: Vhost) -> None:
    outgoing = a_letter(CREATE, b"{}", reply_to="reply.autograph-gateway.1", headers={"x-attempt": 2})
    async with open_publisher(broker, "gateway") as publisher, open_channel(broker.url) as channel:
        await publisher.publish(outgoing)
        await publisher.publish(outgoing)
        queue = await channel.get_queue("diagram.commands", ensure=False)
        first, second = await queue.get(), await queue.get()
        assert (first.user_id, first.app_id, first.type) == ("autograph-gateway", "autograph", "test")
        assert (first.reply_to, first.correlation_id) == ("reply.autograph-gateway.1", "c")
        assert (first.content_type, first.delivery_mode) == ("application/cloudevents+json", 2)
        assert first.headers["x-attempt"] == 2
        assert first.message_id != second.message_id  # the client matches what is returned by it


async def test_what_no_queue_takes_is_unroutable_and_others_on_the_way_are_not(broker: Vhost) -> None:
    async with open_publisher(broker, "gateway") as publisher:
        letters = [a_letter(CREATE), a_letter("nobody.home")] * 20
        outcomes = await asyncio.gather(*map(publisher.publish, letters), return_exceptions=True)
    assert all(outcome is None for outcome in outcomes[::2])
    assert all(isinstance(outcome, Unroutable) for outcome in outcomes[1::2])
    assert await depth(broker, "diagram.commands") == 20


async def test_a_full_queue_says_so(broker: Vhost) -> None:
    await limit_queue(broker, "diagram.commands", 1)
    async with open_publisher(broker, "gateway") as publisher:

        async def is_full() -> bool:
            try:
                await publisher.publish(a_letter(CREATE))
            except QueueFull:
                return True
            return False

        assert await eventually(is_full)


async def test_the_largest_message_is_taken_and_a_larger_one_disturbs_nothing_else(broker: Vhost) -> None:
    """The broker would end the channel, and what is in flight on it would be unknown."""
    async with open_publisher(broker, "gateway") as publisher:
        await publisher.publish(a_letter(CREATE, b"x" * MAX_MESSAGE_BYTES), timeout_seconds=30)
        others = [publisher.publish(a_letter(CREATE, b"{}")) for _ in range(10)]
        for publish in (publisher.publish, publisher.send):
            with pytest.raises(MessageTooLarge):
                await publish(a_letter(CREATE, b"x" * (MAX_MESSAGE_BYTES + 1)))
        await asyncio.gather(*others)
        await publisher.check()
    assert await depth(broker, "diagram.commands") == 11


async def test_without_a_broker_a_publish_is_refused_at_once() -> None:
    publisher = AmqpPublisher("amqp://nobody:x@127.0.0.1:1/none", user="nobody", name="test")
    async with running(publisher.link.run()):
        began = time.monotonic()
        for publishing in (publisher.publish(a_letter(CREATE)), publisher.send(a_letter(CREATE))):
            with pytest.raises(NotPublished):
                await publishing
        assert time.monotonic() - began < CONNECT_SECONDS


async def test_publishes_on_a_connection_that_the_broker_closes_end_at_once_and_later_ones_get_through(
    broker: Vhost,
) -> None:
    outcomes: list[BaseException | None] = []

    async def keep_publishing(until: asyncio.Event) -> None:
        while not until.is_set():
            outcomes.extend(
                await asyncio.gather(
                    *(publisher.publish(a_letter(CREATE, b"x" * 20_000)) for _ in range(50)), return_exceptions=True
                )
            )
            await asyncio.sleep(0)

    enough = asyncio.Event()
    async with open_publisher(broker, "gateway") as publisher:
        publishing = asyncio.create_task(keep_publishing(enough))
        began = time.monotonic()
        await close_connections(broker, "autograph-gateway", count=1)

        async def is_down() -> bool:
            return any(outcome is not None for outcome in outcomes)

        await eventually(is_down)
        enough.set()
        await publishing
        assert time.monotonic() - began < 9
        await publisher.link.wait_up()
        await publisher.publish(a_letter(CREATE))
    failed = [outcome for outcome in outcomes if outcome is not None]
    assert all(isinstance(outcome, NotPublished | ConfirmMissing) for outcome in failed)
    confirmed = len(outcomes) - len(failed) + 1
    unknown = sum(isinstance(outcome, ConfirmMissing) for outcome in failed)
    there = await depth(broker, "diagram.commands")
    assert confirmed <= there <= confirmed + unknown


async def test_a_confirm_that_does_not_come_in_time_leaves_it_unknown(broker: Vhost) -> None:
    async with publisher_behind_proxy(broker) as (publisher, proxy):
        proxy.freeze()
        with pytest.raises(ConfirmMissing):
            await publisher.publish(a_letter(CREATE), timeout_seconds=0.2)
        proxy.thaw()

        async def is_there() -> bool:
            return await depth(broker, "diagram.commands") == 1

        assert await eventually(is_there)


async def test_whoever_awaits_a_confirm_hears_at_once_that_the_connection_is_lost(broker: Vhost) -> None:
    async with publisher_behind_proxy(broker) as (publisher, proxy):
        proxy.freeze()
        publishing = asyncio.create_task(publisher.publish(a_letter(CREATE), timeout_seconds=60))
        await asyncio.sleep(0)
        proxy.cut()
        async with asyncio.timeout(10):
            with pytest.raises(ConfirmMissing):
                await publishing


async def test_what_finds_no_room_on_its_way_was_certainly_not_published_and_all_else_arrives(broker: Vhost) -> None:
    """As with a broker that reads no more, since its memory or its disk is full."""
    async with publisher_behind_proxy(broker) as (publisher, proxy):
        proxy.freeze()
        publishing = [publisher.publish(outgoing, timeout_seconds=0.5) for outgoing in MORE_THAN_FITS]
        outcomes = await asyncio.gather(*publishing, return_exceptions=True)
        unknown = sum(isinstance(outcome, ConfirmMissing) for outcome in outcomes)
        assert 0 < unknown < len(MORE_THAN_FITS)
        assert unknown + sum(isinstance(outcome, NotPublished) for outcome in outcomes) == len(MORE_THAN_FITS)
        proxy.thaw()

        async def have_arrived() -> bool:
            return await depth(broker, "diagram.commands") == unknown

        assert await eventually(have_arrived)
        await publisher.publish(MORE_THAN_FITS[0])
        assert await depth(broker, "diagram.commands") == unknown + 1


async def test_a_connection_that_takes_nothing_more_is_given_up_in_seconds_and_another_is_made(broker: Vhost) -> None:
    """Aiormq would wait for it for a minute and a half, and nothing would be published for as long."""
    async with publisher_behind_proxy(broker) as (publisher, proxy):
        proxy.freeze()
        publishing = [publisher.publish(outgoing, timeout_seconds=0.2) for outgoing in MORE_THAN_FITS]
        await asyncio.gather(*publishing, return_exceptions=True)
        publisher.link.drop()

        async def is_tried_anew() -> bool:
            return proxy.most_connections > 1

        assert await eventually(is_tried_anew, within_seconds=15)


async def test_a_channel_that_the_broker_closes_is_replaced(broker: Vhost) -> None:
    async with open_publisher(broker, "gateway") as publisher:
        with pytest.raises(ConfirmMissing):
            await publisher.publish(a_letter("diagram.diagram_created", exchange="autograph.events"))

        async def gets_through() -> bool:
            try:
                await publisher.publish(a_letter(CREATE))
            except (NotPublished, ConfirmMissing):
                return False
            return True

        assert await eventually(gets_through)


async def test_a_publish_that_is_cancelled_is_cancelled_and_leaves_its_place_to_the_next(broker: Vhost) -> None:
    async with publisher_behind_proxy(broker) as (publisher, proxy):
        proxy.freeze()
        publishing = asyncio.create_task(publisher.publish(a_letter(CREATE)))
        await asyncio.sleep(0)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        proxy.thaw()
        await publisher.publish(a_letter(CREATE))
