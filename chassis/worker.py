"""The parts that every worker has: database, Redis, outbox, broker connections, consumers.

A worker's ``__main__`` calls ``open_worker``, builds its own tools from the ``WorkerContext``, and ends with
``consume``.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from chassis.bus.amqp import AmqpPublisher
from chassis.bus.consumers import Consumers
from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.handling import Handling
from chassis.bus.quarantine import Quarantine
from chassis.bus.subscriptions import check_subscriptions
from chassis.cache import CacheMember
from chassis.database import Database, classify, open_database
from chassis.delivery_marks import RedisMarks
from chassis.failures import Failure
from chassis.lifecycle import Service
from chassis.lock_watch import watch_locks
from chassis.metrics import BusMetrics, PoolMetrics, RequestMetrics
from chassis.outbox import OutboxRelay, run_inbox_retention
from chassis.redis import Redis
from chassis.settings import PostgresSettings, ServiceSettings
from chassis.unit_of_work import Ledger
from contracts.envelope import Envelope
from contracts.message import Event, Message, Request

# Deliveries of one queue in flight at once. Their transactions share a pool of 30 connections.
PREFETCH = 16
PRODUCERS_PREFETCH = 4  # no user waits for these

ToolsT = TypeVar("ToolsT")
Unseal = Callable[[Message, Envelope], Awaitable[Message]]


class WorkerSettings(ServiceSettings, PostgresSettings):
    """Settings of every worker; each worker adds its own."""


SettingsT = TypeVar("SettingsT", bound=WorkerSettings)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    name: str
    database: Database
    redis: Redis
    caches: CacheMember
    publisher: AmqpPublisher
    relay: OutboxRelay
    ledger: Ledger
    metrics: BusMetrics
    pools: PoolMetrics


async def open_worker(service: Service[SettingsT], requests: RequestMetrics, *, revision: str) -> WorkerContext:
    """Open the parts of a worker. Waits only for the database. Raises ``DatabaseUnavailable``, ``SchemaNotReady``.

    *revision*: the oldest schema revision that the worker works with.
    """
    settings, name = service.settings, service.name
    metrics = BusMetrics(service.registry, requests)
    pools = PoolMetrics(service.registry)
    database = await service.enter(
        open_database(
            settings.postgres_url.get_secret_value(),
            application_name=f"autograph-{name}",
            pool_min=settings.postgres_pool_min,
            pool_max=settings.postgres_pool_max,
        )
    )
    await database.check_revision(revision)
    await database.check_standard_tables()
    redis = Redis(settings.redis_url.get_secret_value(), max_connections=settings.redis_pool_max)
    service.on_close(redis.close)
    caches = CacheMember(redis, database.pool, name)
    await caches.join()
    service.on_close(caches.leave)
    rabbitmq_url = settings.rabbitmq_url.get_secret_value()
    publisher = AmqpPublisher(rabbitmq_url, user=user_of(rabbitmq_url), name=name)
    relay = OutboxRelay(database, publisher, metrics)
    pools.watch("postgres", database.states)
    pools.watch("redis", lambda: {"used": redis.connections_in_use})
    service.background(publisher.link.run(), name="publishing")
    service.background(relay.relay(), name="outbox relay")
    service.background(relay.sweep(caches), name="outbox sweep")
    service.background(run_inbox_retention(database), name="inbox retention")
    service.background(watch_locks(database), name="lock watch")
    service.on_drain(relay.drain, name="outbox")
    service.health.check("postgres", database.probe)
    service.health.check("rabbitmq", publisher.check)
    service.health.check("redis", redis.ping, needed=False)
    return WorkerContext(
        name=name,
        database=database,
        redis=redis,
        caches=caches,
        publisher=publisher,
        relay=relay,
        ledger=Ledger(database, name, caches, relay, utc_now),
        metrics=metrics,
        pools=pools,
    )


async def consume(
    service: Service[SettingsT],
    context: WorkerContext,
    handlers: Handlers[ToolsT],
    tools: ToolsT,
    *,
    unseal: Unseal,
    hears: Iterable[type[Event]],
    event_bulkheads: Mapping[type[Event], str] = MappingProxyType({}),
    prefetch: Mapping[str, int] | None = None,
    transient: tuple[type[Exception], ...] = (),
) -> None:
    """Consume every queue for which *handlers* has a handler; returns once the broker is connected.

    *hears*: the events that this worker subscribes to; *event_bulkheads*: those with a queue of their own, by its
    name. Raises ``SubscriptionsDiffer`` if the handlers are for other events.

    *prefetch*: queue → its concurrency, where it is not the default. *transient*: exceptions of the worker's own that
    are worth a retry.
    """
    check_subscriptions(context.name, hears, handlers)
    gate = Gate(context.database.probe)
    handling = Handling(
        service=context.name,
        handlers=handlers,
        tools=tools,
        inbox=context.ledger,
        publisher=context.publisher,
        gate=gate,
        metrics=context.metrics,
        classify=lambda error: failure_of(error, transient),
        unseal=unseal,
        clock=utc_now,
    )
    marks = RedisMarks(context.redis, context.name)
    quarantine = Quarantine(handling.deliver, marks=marks, give_up=handling.give_up, ready=gate.wait)
    queues = {
        queue: (prefetch or {}).get(queue, _prefetch(queue))
        for queue in _queues(context.name, handlers, event_bulkheads)
    }
    consumers = Consumers(
        service.settings.rabbitmq_url.get_secret_value(),
        name=context.name,
        prefetch=queues,
        deliver=quarantine.deliver,
        metrics=context.metrics,
    )
    service.health.check("consumers", consumers.check)
    # Replies and retries are published: without the publisher no delivery could be settled.
    await context.publisher.link.wait_up()
    service.background(consumers.link.run(), name="consuming")
    service.background(consumers.watch(), name="consuming watch")
    service.on_drain(consumers.drain, name="deliveries")
    await consumers.link.wait_up()


def failure_of(error: BaseException, transient: tuple[type[Exception], ...] = ()) -> Failure:
    return Failure.TRANSIENT if isinstance(error, transient) else classify(error)


def user_of(url: str) -> str:
    """The user in *url*: the broker user of this process."""
    return unquote(urlsplit(url).username or "")


def _prefetch(queue: str) -> int:
    return PRODUCERS_PREFETCH if queue.endswith(".producers") else PREFETCH


def _queues(worker: str, handlers: Handlers[Any], event_bulkheads: Mapping[type[Event], str]) -> list[str]:
    queues = set()
    for message, _ in handlers.by_wire_name.values():
        if issubclass(message, Event):
            queues.add(message.queue(worker, event_bulkheads.get(message)))
        elif issubclass(message, Request):
            queues.update((message.queue(), message.producers_queue()))
    return sorted(queues)
