"""A small service on a real inbox and outbox; letters and invalidations are noted in the order in which they happen."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.handling import Handling
from chassis.bus.ports import Delivery, NotPublished, OutgoingMessage, QueueFull
from chassis.database import Database
from chassis.metrics import BusMetrics
from chassis.unit_of_work import Ledger, OutboxRow
from chassis.worker import failure_of
from contracts.envelope import CONTENT_TYPE, Actor, ActorKind, Envelope, decode, encode
from contracts.message import Command, Event, Message, Query, Reply, TransientCommand
from contracts.outcome import Outcome
from contracts.refusal import Refusal, RefusalKind, Refusals

USER = Actor(kind=ActorKind.USER, id=UUID(int=1))


class Painted(Reply):
    picture: UUID


class NoSuchColour(Refusal):
    kind = RefusalKind.CONFLICT
    code = "no_such_colour"
    title = "No such colour"


class Paint(Command[Painted]):
    wire_name: ClassVar[str] = "autograph.diagram.paint.v1"
    refuses: ClassVar[Refusals] = (NoSuchColour,)

    colour: str


class Look(Query[Painted]):
    wire_name: ClassVar[str] = "autograph.diagram.look.v1"


class Knock(TransientCommand[None]):
    wire_name: ClassVar[str] = "autograph.diagram.knock.v1"


class PictureHung(Event):
    wire_name: ClassVar[str] = "autograph.diagram.picture_hung.v1"
    picture: UUID


class Letters:
    """A publisher that keeps what it was given; ``broken`` makes it refuse."""

    def __init__(self, happened: list[str]) -> None:
        self._happened = happened
        self.published: list[OutgoingMessage] = []
        self.broken = False
        self.full: set[str] = set()  # exchanges whose queues take no more

    async def publish(self, outgoing: OutgoingMessage, *, timeout_seconds: float = 5.0) -> None:  # noqa: ARG002 - the seam's
        if self.broken:
            raise NotPublished("the broker is unavailable")
        if outgoing.exchange in self.full:
            raise QueueFull(outgoing.exchange)
        self._happened.append(f"published {outgoing.exchange}")
        self.published.append(outgoing)

    async def send(self, outgoing: OutgoingMessage) -> None:
        await self.publish(outgoing)

    def replies(self) -> list[Outcome]:
        return [
            Outcome.model_validate(decode(outgoing.body)[1])
            for outgoing in self.published
            if outgoing.exchange == "autograph.replies"
        ]

    def to(self, exchange: str) -> list[OutgoingMessage]:
        return [outgoing for outgoing in self.published if outgoing.exchange == exchange]


@dataclass
class NotedCaches:
    happened: list[str]

    async def invalidate(self, names: Sequence[str]) -> None:
        self.happened.append(f"invalidated {' '.join(names)}")


@dataclass
class NotedRelay:
    happened: list[str]
    rows: list[OutboxRow] = field(default_factory=list)

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        self.happened.append("handed to the relay")
        self.rows.extend(rows)


@dataclass
class Tools:
    """What the handlers do beside painting: ``first`` runs before, ``after`` behind the state's change."""

    ledger: Ledger
    first: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    runs: int = 0


handlers: Handlers[Tools] = Handlers()


@handlers.answers(Paint)
async def paint(command: Paint, envelope: Envelope, tools: Tools) -> Painted:
    tools.runs += 1
    tools.first()
    async with tools.ledger.unit_of_work(envelope) as work:
        picture = uuid7()
        await work.connection.execute("INSERT INTO pictures VALUES ($1, $2)", picture, command.colour)
        work.publish(PictureHung(picture=picture), subject=f"picture/{picture}", sequence=1)
        work.invalidate("wall/1")
        tools.after()
        return work.reply(Painted(picture=picture))


@handlers.answers(Look)
async def look(query: Look, envelope: Envelope, tools: Tools) -> Painted:  # noqa: ARG001 - a handler's form
    tools.runs += 1
    tools.first()
    return Painted(picture=UUID(int=2))


@handlers.answers(Knock)
async def knock(command: Knock, envelope: Envelope, tools: Tools) -> None:  # noqa: ARG001 - a handler's form
    tools.runs += 1
    tools.first()


@handlers.hears(PictureHung)
async def count(event: PictureHung, envelope: Envelope, tools: Tools) -> None:
    tools.runs += 1
    tools.first()
    async with tools.ledger.unit_of_work(envelope) as work:
        await work.connection.execute("INSERT INTO pictures VALUES ($1, 'heard')", event.picture)
        tools.after()


async def _as_it_is(message: Message, envelope: Envelope) -> Message:  # noqa: ARG001 - nothing is sealed here
    return message


class Scene:
    def __init__(self, database: Database, probe: Callable[[], Awaitable[None]] | None = None) -> None:
        self.database = database
        self.happened: list[str] = []
        self.now = datetime.now(UTC)
        self.letters = Letters(self.happened)
        self.caches = NotedCaches(self.happened)
        self.relay = NotedRelay(self.happened)
        self.ledger = Ledger(database, "diagram", self.caches, self.relay, lambda: self.now)
        self.tools = Tools(self.ledger)
        self.probe_raises: Exception | None = None
        self.probed = asyncio.Event()
        self.gate = Gate(probe or self._probe, interval_seconds=0.01)
        self.registry = CollectorRegistry()
        self.metrics = BusMetrics(self.registry)
        self.handling = Handling(
            service="diagram",
            handlers=handlers,
            tools=self.tools,
            inbox=self.ledger,
            publisher=self.letters,
            gate=self.gate,
            metrics=self.metrics,
            classify=failure_of,
            unseal=_as_it_is,
            clock=lambda: self.now,
        )

    async def _probe(self) -> None:
        self.probed.set()
        if self.probe_raises is not None:
            raise self.probe_raises

    async def deliver(self, delivery: Delivery) -> None:
        await self.handling.deliver(delivery)

    def settled(self, message: str) -> dict[str, int]:
        """How deliveries of *message* ended, as the metrics count it."""
        return {
            sample.labels["outcome"]: int(sample.value)
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "autograph_deliveries_total" and sample.labels["message"] == message
        }

    async def pictures(self) -> int:
        async with self.database.connection() as connection:
            count: int = await connection.fetchval("SELECT count(*) FROM pictures")
            return count

    async def outbox(self) -> int:
        async with self.database.connection() as connection:
            count: int = await connection.fetchval("SELECT count(*) FROM outbox")
            return count


def envelope_of(message: Message, *, fingerprint: str | None = None, deadline: datetime | None = None) -> Envelope:
    return Envelope(
        id=uuid7(),
        source="/gateway",
        type=message.wire_name,
        time=datetime.now(UTC),
        correlationid="c-1",
        actor=USER,
        fingerprint=fingerprint,
        deadline=deadline or datetime.now(UTC) + timedelta(seconds=10),
    )


def delivery_of(message: Message, envelope: Envelope | None = None) -> Delivery:
    envelope = envelope or envelope_of(message)
    event = isinstance(message, Event)
    return Delivery(
        queue="diagram.events" if event else "diagram.commands",
        body=encode(envelope, message),
        content_type=CONTENT_TYPE,
        routing_key=message.routing_key(),
        user_id="autograph-diagram" if event else "autograph-gateway",
        reply_to=None if event else "reply.autograph-gateway.1",
        correlation_id="asker-1",
        redelivered=False,
    )


def again(delivery: Delivery) -> Delivery:
    """The same as the broker hands it over after a crash."""
    return delivery._replace(redelivered=True)
