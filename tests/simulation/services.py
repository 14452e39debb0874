"""The processes of a run, each put together from our own parts as its ``__main__`` does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any, cast
from uuid import UUID

import asyncpg
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.handling import Handling
from chassis.bus.headers import service_user
from chassis.bus.ports import Delivery, Receipt
from chassis.bus.settling import settle
from chassis.bus.topology import Topology, topology
from chassis.cache import CacheMember
from chassis.database import Database
from chassis.failures import Failure
from chassis.loops import Loops
from chassis.metrics import BusMetrics
from chassis.outbox import SWEEP_EVERY_SECONDS, OutboxRelay
from chassis.unit_of_work import Ledger
from chassis.worker import failure_of
from contracts.auth.sessions import (
    EndSession,
    GetLiveSession,
    SessionEnded,
    SessionStarted,
    SignIn,
    SignOut,
    SignOutEverywhere,
    Tokens,
)
from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram, DiagramChanged, DiagramCreated, GetDiagram
from contracts.envelope import Envelope
from contracts.message import Event, Message
from contracts.sealed import Box, sealed_fields
from tests.simulation import postgres
from tests.simulation.broker import Broker, BrokerPublisher
from tests.simulation.postgres import APPLY
from tests.simulation.redis import RedisInMemory, Server
from tests.simulation.sessions import StorageInMemory
from tests.simulation.world import Process, World
from workers.auth.handlers import handlers as auth_handlers
from workers.auth.hashes import PasswordCheck
from workers.auth.metrics import AuthMetrics
from workers.auth.sign_in.rules import Lifetimes
from workers.auth.tools import Tools as AuthTools
from workers.diagram.diagrams.storage import diagram_rows
from workers.diagram.handlers import handlers as diagram_handlers
from workers.diagram.metrics import DiagramMetrics
from workers.diagram.tools import Tools

SUBSCRIBER = "reader"
WORKERS = ("auth", "diagram", SUBSCRIBER)
REQUESTS = (
    CreateDiagram, ChangeDiagram, GetDiagram, SignIn, SignOut, EndSession, SignOutEverywhere, GetLiveSession,
)  # fmt: skip
EVENTS = (DiagramCreated, DiagramChanged, SessionStarted, SessionEnded)
SESSIONS_PER_USER = 100  # so that no session ends before somebody asks for it


@dataclass(frozen=True, slots=True)
class SubscriberTools:
    ledger: Ledger


subscribes: Handlers[SubscriberTools] = Handlers()


async def apply(_: Event, envelope: Envelope, tools: SubscriberTools) -> None:
    async with tools.ledger.unit_of_work(envelope) as work:
        await work.connection.execute(APPLY, SUBSCRIBER, envelope.id)


for event in EVENTS:
    subscribes.hears(event)(apply)


@lru_cache
def the_topology() -> Topology:
    return topology(REQUESTS, {SUBSCRIBER: EVENTS}, WORKERS)


@lru_cache
def _metrics() -> tuple[DiagramMetrics, AuthMetrics, BusMetrics]:
    registry = CollectorRegistry()
    diagrams, sessions = DiagramMetrics(registry), AuthMetrics(registry)
    return diagrams, sessions, BusMetrics(registry, diagrams.requests)


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
    _, _, metrics = _metrics()
    database = Database(cast("Any", postgres.Pool(site.stores[service])), max_idle=4)
    caches = CacheMember(RedisInMemory(world, site.redis), database.pool, service, clock=world.now)
    await caches.join()
    publisher = BrokerPublisher(site.broker, service_user(service))
    relay = OutboxRelay(database, publisher, metrics)
    world.start(process, relay.relay(), "outbox relay")
    if site.sweeps:
        sweep = partial(relay.sweep, caches)
        world.start(process, Loops(CollectorRegistry()).run(SWEEP_EVERY_SECONDS, sweep, name="sweep"), "outbox sweep")
    ledger = Ledger(database, service, caches, relay, world.clock)
    handlers, tools = _work_of(service, ledger, database, world)
    queues = (
        {request.queue() for request in REQUESTS if request.worker() == service}
        if service != SUBSCRIBER
        else {f"{SUBSCRIBER}.events"}
    )
    handling: Handling[Any] = Handling(
        service=service,
        handlers=cast("Any", handlers),
        tools=tools,
        inbox=ledger,
        publisher=publisher,
        gate=Gate(database.probe),
        metrics=metrics,
        classify=lambda error: _failure_of(error, world),
        unseal=_open,
        clock=world.clock,
    )

    async def take(delivery: Delivery, receipt: Receipt) -> None:
        await settle(delivery, handling.deliver, receipt)

    for queue in sorted(queues):
        site.broker.consume(process, queue, take)


def _failure_of(error: BaseException, world: World) -> Failure:
    """A bug that was not put in is one of ours, or a way that has no double yet: either way the run fails."""
    failure = failure_of(error)
    if failure is Failure.BUG and not isinstance(error, asyncpg.DataError) and not world.over:
        world.unhandled.append(f"in a handler: {error!r}")
    return failure


def _work_of(service: str, ledger: Ledger, database: Database, world: World) -> tuple[Handlers[Any], Any]:
    diagrams, sessions, _ = _metrics()
    match service:
        case "diagram":
            return diagram_handlers, Tools(ledger, database, cast("Any", None), diagrams, diagram_rows(database))
        case "auth":
            given: dict[str, Any] = {
                "ledger": ledger,
                "database": database,
                "storage": StorageInMemory(sessions),
                "passwords": _Passwords(),
                "token_issuer": _Mint(),
                "metrics": sessions,
                "lifetimes": Lifetimes(
                    access_token=timedelta(hours=1), session=timedelta(days=1), remembered_session=timedelta(days=30)
                ),
                "sessions_per_user": SESSIONS_PER_USER,
                "clock": world.clock,
            }
            # The ways that a run takes use nothing else.
            return auth_handlers, cast("Any", AuthTools)(**{name: given.get(name) for name in AuthTools.__slots__})
        case _:
            return subscribes, SubscriberTools(ledger)


class _Passwords:
    """Everybody knows the password."""

    async def check(self, _: str, password_hash: str | None) -> PasswordCheck:
        return PasswordCheck(matches=password_hash is not None, outdated=False)


class _Mint:
    async def issue(self, *, session_id: UUID, **_: Any) -> Tokens:
        return Tokens(access_token="", refresh_token="", expires_in=1, session_id=session_id)


async def _open(message: Message, _: Envelope) -> Message:
    """What is sealed is taken out of its box as it is."""
    boxes = {name: getattr(message, name) for name in sealed_fields(type(message))}
    opened = {name: SecretStr(value.box) for name, value in boxes.items() if isinstance(value, Box)}
    return message.model_copy(update=opened) if opened else message
