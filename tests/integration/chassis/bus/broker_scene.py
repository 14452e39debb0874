"""The bus on a real broker: the gateway's side and a worker whose answers the test decides."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from chassis.bus.amqp import AmqpPublisher
from chassis.bus.consumers import WATCH_SECONDS, Consumers
from chassis.bus.ports import Delivery, OutgoingMessage
from chassis.bus.replies import reply_message
from chassis.bus.requester import Requester
from chassis.loops import Loops
from chassis.metrics import BusMetrics
from contracts.envelope import Actor, ActorKind, Envelope, decode
from contracts.message import Message, Request
from contracts.outcome import Outcome, Status
from tests.brokers import service_url
from tests.servers import Vhost

USER = Actor(kind=ActorKind.USER, id=UUID(int=1))
DONE = Outcome(status=Status.SUCCEEDED, reply=b'{"done":true}')


def envelope_of(request: Request[Any]) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(
        id=uuid7(),
        source="/gateway",
        type=request.wire_name,
        time=now,
        correlationid="c-1",
        actor=USER,
        deadline=now + timedelta(seconds=10),
    )


def a_letter(
    routing_key: str, body: bytes = b"{}", *, exchange: str = "autograph.commands", **more: Any
) -> OutgoingMessage:
    return OutgoingMessage(
        exchange=exchange, routing_key=routing_key, body=body, type="test", correlation_id="c", **more
    )


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def open_publisher(vhost: Vhost, service: str) -> AsyncIterator[AmqpPublisher]:
    publisher = AmqpPublisher(service_url(vhost, service), user=f"autograph-{service}", name="test")
    async with running(publisher.link.run()):
        await publisher.link.wait_up()
        yield publisher


async def _as_it_is(message: Message, envelope: Envelope) -> Message:  # noqa: ARG001 - nothing is sealed here
    return message


@asynccontextmanager
async def open_requester(vhost: Vhost) -> AsyncIterator[Requester]:
    async with open_publisher(vhost, "gateway") as publisher:
        requester = Requester(
            service_url(vhost, "gateway"), user="autograph-gateway", name="test", publisher=publisher, seal=_as_it_is
        )
        async with running(requester.link.run()):
            await requester.link.wait_up()
            yield requester


@asynccontextmanager
async def open_consumers(
    vhost: Vhost, service: str, prefetch: Mapping[str, int], deliver: Callable[[Delivery], Awaitable[None]]
) -> AsyncIterator[Consumers]:
    consumers = Consumers(
        service_url(vhost, service),
        name="test",
        prefetch=prefetch,
        deliver=deliver,
        metrics=BusMetrics(CollectorRegistry()),
    )
    watching = Loops(CollectorRegistry()).run(WATCH_SECONDS, consumers.watch, name="watch", at_once=False)
    async with running(consumers.link.run(), watching):
        await consumers.link.wait_up()
        yield consumers


@dataclass
class Worker:
    """Answers ``DONE``, once ``answers`` is set, by the user of *service*."""

    publisher: AmqpPublisher
    service: str
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[Delivery] = field(default_factory=list)

    async def deliver(self, delivery: Delivery) -> None:
        self.taken.append(delivery)
        await self.answers.wait()
        if delivery.reply_to is not None:
            await self.tell(delivery, DONE)

    async def tell(self, delivery: Delivery, outcome: Outcome) -> None:
        envelope, _ = decode(delivery.body)
        assert delivery.reply_to is not None
        await self.publisher.send(
            reply_message(
                self.service, envelope, outcome, reply_to=delivery.reply_to, correlation_id=delivery.correlation_id,
                now=datetime.now(UTC),
            )
        )  # fmt: skip

    async def has_taken(self) -> Delivery | None:
        return self.taken[-1] if self.taken else None


@asynccontextmanager
async def open_worker(
    vhost: Vhost, *queues: str, service: str = "diagram", silent: bool = False
) -> AsyncIterator[Worker]:
    async with open_publisher(vhost, service) as publisher:
        worker = Worker(publisher, service)
        if not silent:
            worker.answers.set()
        async with open_consumers(vhost, service, dict.fromkeys(queues, 16), worker.deliver):
            yield worker
