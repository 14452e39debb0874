"""The simulation's broker does with messages what RabbitMQ does, as far as the simulation relies on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from chassis.bus.headers import ATTEMPT, ORIGINAL_ROUTING_KEY, ORIGINAL_USER, RUNG
from chassis.bus.ports import Delivery, Publisher, Receipt, Unroutable
from chassis.bus.settling import settle
from chassis.failures import RUNGS
from contracts.diagram.diagrams import CreateDiagram
from tests.brokers import close_connections
from tests.eventually import eventually
from tests.integration.chassis.bus.broker_scene import a_letter, open_consumers, open_publisher
from tests.servers import Vhost
from tests.simulation.broker import Broker, BrokerPublisher
from tests.simulation.plan import Plan
from tests.simulation.services import the_topology
from tests.simulation.world import Process, World

QUEUE = CreateDiagram.queue()
CREATE = CreateDiagram.routing_key()


@dataclass
class Handler:
    """Notes what it was given, each time; settles it once it may; fails as often as it is told to."""

    fails: int = 0
    may_settle: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[Delivery] = field(default_factory=list)
    settled: list[Delivery] = field(default_factory=list)

    async def __call__(self, delivery: Delivery) -> None:
        self.begun.append(delivery)
        await self.may_settle.wait()
        if self.fails:
            self.fails -= 1
            raise RuntimeError("not settled")
        self.settled.append(delivery)

    async def has_begun(self, times: int) -> None:
        async def is_so() -> bool:
            return len(self.begun) >= times

        await eventually(is_so)

    async def has_settled(self, times: int) -> None:
        async def is_so() -> bool:
            return len(self.settled) >= times

        await eventually(is_so)


class Side(Protocol):
    """A broker, the real one or its double."""

    def publisher(self, service: str) -> Any: ...
    def consuming(self, handler: Handler, *, prefetch: int) -> Any: ...
    async def cut(self) -> None: ...


class Real:
    def __init__(self, vhost: Vhost) -> None:
        self._vhost = vhost

    def publisher(self, service: str) -> Any:
        return open_publisher(self._vhost, service)

    def consuming(self, handler: Handler, *, prefetch: int) -> Any:
        return open_consumers(self._vhost, "diagram", {QUEUE: prefetch}, handler)

    async def cut(self) -> None:
        await close_connections(self._vhost, "autograph-diagram", count=1)


class Double:
    def __init__(self) -> None:
        self._broker = Broker(World(Plan(0, (), ())), the_topology())
        self._process = Process("diagram")

    @asynccontextmanager
    async def publisher(self, service: str) -> AsyncIterator[Publisher]:
        yield BrokerPublisher(self._broker, f"autograph-{service}")

    @asynccontextmanager
    async def consuming(self, handler: Handler, *, prefetch: int) -> AsyncIterator[None]:
        async def take(delivery: Delivery, receipt: Receipt) -> None:
            await settle(delivery, handler, receipt)

        self._process = Process("diagram")
        self._broker.consume(self._process, QUEUE, take, prefetch=prefetch)
        yield
        self._process.alive = False
        self._broker.cut(self._process)

    async def cut(self) -> None:
        self._broker.cut(self._process)


Story = Callable[[Side, Handler], Awaitable[list[Any]]]


async def a_delivery_settled(side: Side, handler: Handler) -> list[Any]:
    handler.may_settle.set()
    async with side.publisher("gateway") as publisher:
        await publisher.publish(
            a_letter(CREATE, b"1", reply_to="reply.autograph-gateway.1", headers={"a": "b", "c": 1})
        )
        async with side.consuming(handler, prefetch=4):
            await handler.has_settled(1)
        async with side.consuming(handler, prefetch=4):  # nothing comes again
            await publisher.publish(a_letter(CREATE, b"2"))
            await handler.has_settled(2)
    return list(handler.begun)


async def a_connection_lost_with_deliveries_in_hand(side: Side, handler: Handler) -> list[Any]:
    async with side.publisher("gateway") as publisher, side.consuming(handler, prefetch=2):
        for body in (b"1", b"2", b"3"):
            await publisher.publish(a_letter(CREATE, body))
        await handler.has_begun(2)
        await side.cut()
        await handler.has_begun(4)
        first, again = handler.begun[:2], handler.begun[2:4]
        handler.may_settle.set()
        await handler.has_settled(5)
    last = handler.begun[-1]
    return [sorted((d.body, d.redelivered) for d in batch) for batch in (first, again, [last])]


async def a_delivery_given_back(side: Side, handler: Handler) -> list[Any]:
    handler.may_settle.set()
    handler.fails = 1
    async with side.publisher("gateway") as publisher, side.consuming(handler, prefetch=1):
        await publisher.publish(a_letter(CREATE, b"1"))
        await handler.has_settled(1)
    # RabbitMQ counts in a header, which nothing of ours reads.
    return [(d.body, d.redelivered, set(d.headers) - {"x-delivery-count"}) for d in handler.begun]


async def a_copy_on_the_ladder(side: Side, handler: Handler) -> list[Any]:
    handler.may_settle.set()
    headers = {RUNG: RUNGS[0], ATTEMPT: 2, ORIGINAL_USER: "autograph-gateway", ORIGINAL_ROUTING_KEY: CREATE}
    async with side.publisher("diagram") as publisher, side.consuming(handler, prefetch=1):
        await publisher.publish(a_letter(QUEUE, b"1", exchange="autograph.retry", headers=headers))
        await handler.has_settled(1)
    [delivery] = handler.begun
    return [
        delivery.routing_key, delivery.user_id, delivery.redelivered,
        {name: delivery.headers[name] for name in headers},
    ]  # fmt: skip


async def what_no_queue_takes(side: Side, _: Handler) -> list[Any]:
    told = []
    async with side.publisher("gateway") as publisher:
        for outgoing in (
            a_letter("diagram.nothing"),
            a_letter("reply.autograph-gateway.0", exchange="autograph.commands"),
        ):
            with pytest.raises(Unroutable):
                await publisher.publish(outgoing)
            told.append("refused")
    async with side.publisher("diagram") as publisher:
        # Nobody subscribes to it, or waits for it: no fault.
        await publisher.publish(a_letter("diagram.nothing", exchange="autograph.events", mandatory=False))
        await publisher.send(a_letter("reply.autograph-gateway.0", exchange="autograph.replies", mandatory=False))
    return told


async def an_expired_query(side: Side, handler: Handler) -> list[Any]:
    handler.may_settle.set()
    async with side.publisher("gateway") as publisher:
        await publisher.publish(a_letter(CREATE, b"late", expiration_seconds=0.05))
        await asyncio.sleep(0.3)  # what is waited for is that something does not come
        await publisher.publish(a_letter(CREATE, b"in time"))
        async with side.consuming(handler, prefetch=1):
            await handler.has_settled(1)
    return [delivery.body for delivery in handler.begun]


@pytest.mark.parametrize(
    "story",
    [
        a_delivery_settled,
        a_connection_lost_with_deliveries_in_hand,
        a_delivery_given_back,
        a_copy_on_the_ladder,
        what_no_queue_takes,
        an_expired_query,
    ],
)
async def test_the_double_tells_the_same_story(broker: Vhost, story: Story) -> None:
    real = await story(Real(broker), Handler())
    double = await story(Double(), Handler())

    assert real
    assert double == real
