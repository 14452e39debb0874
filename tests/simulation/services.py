"""The processes of a run, each put together from our own parts as its ``__main__`` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.handling import Handling
from chassis.bus.headers import service_user
from chassis.bus.ports import Delivery, Receipt
from chassis.bus.settling import settle
from chassis.bus.topology import Topology, topology
from chassis.cache import CacheMember
from chassis.database import Database
from chassis.exposition import Registry
from chassis.metrics import BusMetrics, DiagramMetrics
from chassis.outbox import OutboxRelay
from chassis.unit_of_work import Ledger
from chassis.worker import failure_of
from contracts.diagram import ChangeDiagram, CreateDiagram, DiagramChanged, DiagramCreated, GetDiagram
from contracts.envelope import Envelope
from contracts.message import Message
from tests.simulation import postgres
from tests.simulation.broker import Broker, BrokerPublisher
from tests.simulation.postgres import APPLY
from tests.simulation.redis import RedisInMemory, Server
from tests.simulation.world import Process, World
from workers.diagram.handlers import handlers as diagram_handlers
from workers.diagram.storage import diagram_rows
from workers.diagram.tools import Tools

SUBSCRIBER = "reader"
WORKERS = ("diagram", SUBSCRIBER)


@dataclass(frozen=True, slots=True)
class SubscriberTools:
    ledger: Ledger


subscribes: Handlers[SubscriberTools] = Handlers()


@subscribes.hears(DiagramCreated)
async def apply_created(_: DiagramCreated, envelope: Envelope, tools: SubscriberTools) -> None:
    async with tools.ledger.unit_of_work(envelope) as work:
        await work.connection.execute(APPLY, SUBSCRIBER, envelope.id)


@subscribes.hears(DiagramChanged)
async def apply_changed(_: DiagramChanged, envelope: Envelope, tools: SubscriberTools) -> None:
    async with tools.ledger.unit_of_work(envelope) as work:
        await work.connection.execute(APPLY, SUBSCRIBER, envelope.id)


@lru_cache
def the_topology() -> Topology:
    requests = (CreateDiagram, ChangeDiagram, GetDiagram)
    return topology(requests, {SUBSCRIBER: (DiagramCreated, DiagramChanged)}, WORKERS)


@lru_cache
def _metrics() -> tuple[DiagramMetrics, BusMetrics]:
    registry = Registry()
    own = DiagramMetrics(registry)
    return own, BusMetrics(registry, own.requests)


@dataclass(frozen=True, slots=True)
class Site:
    """What all processes share."""

    world: World
    broker: Broker
    stores: Mapping[str, postgres.Store]  # by service
    redis: Server
    sweeps: bool = True  # whether workers look for what was left in the outbox


async def work(site: Site, process: Process, service: str) -> None:
    """Runs in *process*: until its consumers are there."""
    world = site.world
    own, metrics = _metrics()
    database = Database(cast("Any", postgres.Pool(site.stores[service])), at_hand=4)
    caches = CacheMember(RedisInMemory(world, site.redis), database.pool, service, clock=world.now)
    await caches.join()
    publisher = BrokerPublisher(site.broker, service_user(service))
    relay = OutboxRelay(database, publisher, metrics)
    world.start(process, relay.relay(), "outbox relay")
    if site.sweeps:
        world.start(process, relay.sweep(caches), "outbox sweep")
    ledger = Ledger(database, service, caches, relay, world.clock)
    handlers, tools, queues = (
        (
            diagram_handlers,
            Tools(ledger, database, cast("Any", None), own, diagram_rows(database)),
            ("diagram.commands", "diagram.queries"),
        )
        if service == "diagram"
        else (subscribes, SubscriberTools(ledger), (f"{service}.events",))
    )
    handling: Handling[Any] = Handling(
        service=service,
        handlers=cast("Any", handlers),
        tools=tools,
        inbox=ledger,
        publisher=publisher,
        gate=Gate(database.probe),
        metrics=metrics,
        classify=failure_of,
        unseal=_nothing_is_sealed,
        clock=world.clock,
    )

    async def take(delivery: Delivery, receipt: Receipt) -> None:
        await settle(delivery, handling.deliver, receipt)

    for queue in queues:
        site.broker.consume(process, queue, take)


async def _nothing_is_sealed(message: Message, _: Envelope) -> Message:
    return message
