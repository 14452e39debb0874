"""Deliveries become tasks of ours; what is not settled comes again, whatever the connection does."""

import asyncio
from contextlib import suppress

import pytest

from autograph.broker import open_broker
from chassis.bus.consumers import WATCH_SECONDS
from chassis.bus.link import Link
from chassis.bus.ports import Delivery
from tests.brokers import close_connections, open_channel
from tests.eventually import eventually
from tests.integration.chassis.bus.broker_scene import a_letter, open_consumers, open_publisher
from tests.servers import Vhost

QUEUE = "diagram.commands"
CREATE = "diagram.create_diagram"


class Handler:
    """Notes what it was given; finishes once ``go`` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun: list[Delivery] = []
        self.finished: list[bytes] = []
        self.cancelled = 0
        self.fails = 0

    async def __call__(self, delivery: Delivery) -> None:
        self.begun.append(delivery)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            self.fails -= 1
            raise RuntimeError("the broker did not take the copy")
        self.finished.append(delivery.body)

    async def has_begun(self) -> bool:
        return bool(self.begun)


async def put(vhost: Vhost, *bodies: bytes) -> None:
    async with open_publisher(vhost, "gateway") as publisher:
        for body in bodies:
            await publisher.publish(a_letter(CREATE, body))


async def unsettled(vhost: Vhost) -> int:
    """How many are in the queue once nobody holds any."""
    async with open_channel(vhost.url) as channel:
        queue = await channel.declare_queue(QUEUE, passive=True)
        return queue.declaration_result.message_count or 0


async def test_a_delivery_carries_what_the_broker_vouches_for(broker: Vhost) -> None:
    handler = Handler()
    handler.go.set()
    async with open_consumers(broker, "diagram", {QUEUE: 4}, handler):
        async with open_publisher(broker, "gateway") as publisher:
            await publisher.publish(
                a_letter(CREATE, b"1", reply_to="reply.autograph-gateway.1", headers={"rung": "1s"})
            )
        await eventually(handler.has_begun)
    delivery = handler.begun[0]
    assert (delivery.queue, delivery.routing_key, delivery.body) == (QUEUE, CREATE, b"1")
    assert (delivery.user_id, delivery.reply_to, delivery.correlation_id) == (
        "autograph-gateway", "reply.autograph-gateway.1", "c",
    )  # fmt: skip
    assert (delivery.redelivered, dict(delivery.headers)) == (False, {"rung": "1s"})


async def test_a_handler_is_not_cancelled_when_its_connection_dies_and_its_message_comes_again(broker: Vhost) -> None:
    handler = Handler()
    async with open_consumers(broker, "diagram", {QUEUE: 1}, handler) as consumers:
        await put(broker, b"1")
        await eventually(handler.has_begun)
        await close_connections(broker, "autograph-diagram", count=1)

        async def is_redelivered() -> bool:
            return len(handler.begun) == 2

        await eventually(is_redelivered, within_seconds=20)
        assert handler.cancelled == 0
        assert handler.begun[1].redelivered
        handler.go.set()

        async def both_finished() -> bool:
            return handler.finished == [b"1", b"1"] and consumers.in_flight == 0

        assert await eventually(both_finished)
        await consumers.check()
    assert await unsettled(broker) == 0


async def test_what_is_done_is_settled_together_without_what_is_still_in_hand(broker: Vhost) -> None:
    quick, slow, begun = asyncio.Event(), asyncio.Event(), list[Delivery]()

    async def deliver(delivery: Delivery) -> None:
        begun.append(delivery)
        await (slow if delivery.body in (b"3", b"6") else quick).wait()

    async with open_consumers(broker, "diagram", {QUEUE: 8}, deliver) as consumers:
        await put(broker, *(str(number).encode() for number in range(1, 9)))

        async def all_are_in_hand() -> bool:
            return len(begun) == 8

        await eventually(all_are_in_hand)
        quick.set()  # for all others in one turn

        async def others_are_done() -> bool:
            return consumers.in_flight == 2

        await eventually(others_are_done)
        await close_connections(broker, "autograph-diagram", count=1)

        async def are_redelivered() -> bool:
            return len(begun) == 10

        await eventually(are_redelivered, within_seconds=20)
        assert sorted(delivery.body for delivery in begun if delivery.redelivered) == [b"3", b"6"]
        slow.set()

        async def all_done() -> bool:
            return consumers.in_flight == 0

        await eventually(all_done)
    assert len(begun) == 10
    assert await unsettled(broker) == 0


async def test_a_consumer_that_the_broker_cancels_is_made_again(broker: Vhost) -> None:
    handler = Handler()
    handler.go.set()
    async with open_consumers(broker, "diagram", {QUEUE: 4}, handler) as consumers:

        async def is_missed() -> bool:
            try:
                await consumers.check()
            except RuntimeError:
                return True
            return False

        async with open_channel(broker.url) as channel:
            await channel.queue_delete(QUEUE)

            await eventually(is_missed)
            queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind("autograph.commands", CREATE)

        async def is_back() -> bool:
            return not await is_missed()

        await eventually(is_back)
        await put(broker, b"1")
        assert await eventually(handler.has_begun)


async def test_a_queue_that_is_gone_is_named_keeps_no_other_from_being_taken_and_is_found_when_it_is_back(
    broker: Vhost,
) -> None:
    handler = Handler()
    queries = "diagram.queries"
    async with open_consumers(broker, "diagram", {QUEUE: 4, queries: 4}, handler) as consumers:
        async with open_channel(broker.url) as channel:
            await channel.queue_delete(queries)

        async def is_named() -> bool:
            try:
                await consumers.check()
            except RuntimeError as missing:
                return str(missing).startswith(f"there is no queue {queries}:")
            return False

        await eventually(is_named)
        await put(broker, b"1")
        await eventually(handler.has_begun)
        await asyncio.sleep(2 * WATCH_SECONDS)  # in which the others' connection must not be thrown away
        assert len(handler.begun) == 1
        async with open_channel(broker.url) as channel:
            queue = await channel.declare_queue(queries, durable=True)
            await queue.bind("autograph.queries", "diagram.get_diagram")

        async def is_well() -> bool:
            return not await is_named()

        await eventually(is_well)
        await consumers.check()
        async with open_publisher(broker, "gateway") as publisher:
            await publisher.publish(a_letter("diagram.get_diagram", b"2", exchange="autograph.queries"))

        async def are_taken() -> bool:
            return [delivery.body for delivery in handler.begun] == [b"1", b"2"]

        assert await eventually(are_taken)
        handler.go.set()


async def test_a_worker_starts_on_the_queues_that_there_are(broker: Vhost) -> None:
    handler = Handler()
    handler.go.set()
    async with open_consumers(broker, "diagram", {"diagram.nowhere": 1, QUEUE: 4}, handler) as consumers:
        await put(broker, b"1")
        await eventually(handler.has_begun)
        with pytest.raises(RuntimeError, match=r"there is no queue diagram\.nowhere"):
            await consumers.check()


async def test_what_could_not_be_settled_goes_back_and_comes_again(broker: Vhost) -> None:
    handler = Handler()
    handler.fails = 1
    handler.go.set()
    async with open_consumers(broker, "diagram", {QUEUE: 4}, handler):
        await put(broker, b"1")

        async def is_finished() -> bool:
            return handler.finished == [b"1"]

        assert await eventually(is_finished)
    assert [delivery.redelivered for delivery in handler.begun] == [False, True]
    assert await unsettled(broker) == 0


async def test_no_more_are_in_hand_than_the_prefetch_allows(broker: Vhost) -> None:
    handler = Handler()
    await put(broker, *(b"%d" % number for number in range(10)))
    async with open_consumers(broker, "diagram", {QUEUE: 3}, handler) as consumers:

        async def three() -> bool:
            return len(handler.begun) == 3

        await eventually(three)
        assert consumers.in_flight == 3
        assert await unsettled(broker) == 7
        handler.go.set()

        async def all_finished() -> bool:
            return len(handler.finished) == 10

        assert await eventually(all_finished)


async def test_a_drain_settles_what_is_in_hand_and_leaves_the_rest_to_others(broker: Vhost) -> None:
    handler = Handler()
    async with open_consumers(broker, "diagram", {QUEUE: 2}, handler) as consumers:
        await put(broker, b"1", b"2", b"3")

        async def two() -> bool:
            return len(handler.begun) == 2

        await eventually(two)
        draining = asyncio.create_task(consumers.drain())
        await asyncio.wait((draining,), timeout=0.2)
        assert not draining.done()
        handler.go.set()
        await draining
        assert handler.finished == [b"1", b"2"]
        assert await unsettled(broker) == 1


async def test_health_says_which_queue_has_no_consumer(broker: Vhost) -> None:
    async with open_consumers(broker, "diagram", {QUEUE: 1}, Handler()) as consumers:
        await consumers.check()
        await consumers.drain()
        with pytest.raises(RuntimeError, match=QUEUE):
            await consumers.check()


async def test_events_behind_a_slow_bulkhead_wait_and_all_others_go_on(broker: Vhost) -> None:
    """A queue of its own has places of its own: what is slow takes none of the others'."""
    slow, quick, bulkhead = "diagram.diagram_changed", "diagram.diagram_created", "auth.events.pictures"
    release, done = asyncio.Event(), list[str]()

    async def deliver(delivery: Delivery) -> None:
        if delivery.queue == bulkhead:
            await release.wait()
        done.append(delivery.routing_key)

    async with open_broker(broker.url, broker.management_url) as administrator:
        await administrator.put(
            "queues", broker.name, bulkhead, body={"durable": True, "arguments": {"x-queue-type": "quorum"}}
        )
        await administrator.bind("autograph.events", bulkhead, slow)
        await administrator.bind("autograph.events", "auth.events", quick)
    async with (
        open_consumers(broker, "auth", {"auth.events": 2, bulkhead: 2}, deliver),
        open_publisher(broker, "diagram") as publisher,
    ):
        for _ in range(10):
            for key in (slow, quick):
                await publisher.publish(a_letter(key, exchange="autograph.events"))

        async def all_quick_are_done() -> bool:
            return done == [quick] * 10

        assert await eventually(all_quick_are_done)
        release.set()

        async def all_are_done() -> bool:
            return sorted(done) == sorted([quick, slow] * 10)

        assert await eventually(all_are_done)


async def test_a_link_ends_although_its_cancellation_was_lost_while_it_was_set_up(broker: Vhost) -> None:
    began = asyncio.Event()

    async def lose_the_cancellation(_: Link) -> None:
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    running = asyncio.create_task(Link(broker.url, "test", lose_the_cancellation).run())
    await began.wait()
    running.cancel()

    done, _ = await asyncio.wait([running], timeout=10)
    assert done
    assert running.cancelled()
