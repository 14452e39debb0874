"""The parts that every worker has: database, Redis, outbox, broker connections, consumers.

A worker's ``__main__`` calls ``open_worker``, builds its own tools from the ``WorkerContext``, and ends with
``consume``.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from chassis.announcements import ANNOUNCE_EVERY_SECONDS, Announcer
from chassis.bus.amqp import AmqpPublisher
from chassis.bus.consumers import WATCH_SECONDS, Consumers
from chassis.bus.delegate import Delegate, DelegatedFailure
from chassis.bus.delegation import Delegations, delegates
from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.handling import Handling
from chassis.bus.ports import NotPublished
from chassis.bus.quarantine import Quarantine
from chassis.bus.requester import ReplyTimeout, Requester
from chassis.bus.subscriptions import check_subscriptions
from chassis.cache import CacheMember
from chassis.database import Database, classify, open_database
from chassis.delivery_marks import RedisMarks
from chassis.failures import Failure
from chassis.jobs.metrics import JobMetrics
from chassis.jobs.runner import DRAIN_SHARE, JobRunner
from chassis.jobs.schedules import handle_invalidations, schedule_retention
from chassis.lifecycle import Service
from chassis.lock_watch import WATCH_EVERY_SECONDS, watch_locks
from chassis.metrics import BusMetrics, PoolMetrics, RequestMetrics
from chassis.outbox import SWEEP_EVERY_SECONDS, OutboxRelay
from chassis.redis import Redis
from chassis.settings import PostgresSettings, ServiceSettings
from chassis.unit_of_work import Ledger
from contracts.envelope import Envelope
from contracts.message import Event, Message, Request
from contracts.sealed import sealed_fields

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
    jobs: JobRunner
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
    service.every(SWEEP_EVERY_SECONDS, partial(relay.sweep, caches), name="outbox_sweep")
    service.every(WATCH_EVERY_SECONDS, partial(watch_locks, database), name="lock_watch", at_once=False)
    service.on_drain(relay.drain, name="outbox")
    ledger = Ledger(database, name, caches, relay, utc_now)
    jobs = JobRunner(
        service=name,
        database=database,
        ledger=ledger,
        metrics=JobMetrics(service.registry),
        clock=utc_now,
        drain_seconds=settings.drain_seconds * DRAIN_SHARE,
    )
    ledger.on_jobs = jobs.wake
    schedule_retention(jobs, database)
    handle_invalidations(jobs, caches)
    service.background(jobs.run(), name="jobs")
    service.on_drain(jobs.drain, name="jobs", stop_taking=jobs.stop_taking)
    announcer = Announcer(redis, name, service.version, service.health, service.registry)
    service.every(ANNOUNCE_EVERY_SECONDS, announcer.announce, name="announcements")
    service.on_close(announcer.leave)
    service.health.check("jobs", jobs.check, needed=False)
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
        ledger=ledger,
        jobs=jobs,
        metrics=metrics,
        pools=pools,
    )


async def consume(
    service: Service[SettingsT],
    context: WorkerContext,
    handlers: Handlers[ToolsT],
    tools: ToolsT,
    *,
    hears: Iterable[type[Event]],
    event_bulkheads: Mapping[type[Event], str],
    delegations: Delegations,
    unseal: Unseal | None = None,
    prefetch: Mapping[str, int] | None = None,
    transient: tuple[type[Exception], ...] = (),
) -> None:
    """Consume every queue for which *handlers* has a handler; returns once the broker is connected.

    *hears*: the events that this worker subscribes to; *event_bulkheads*: those with a queue of their own, by its
    name. Raises ``SubscriptionsDiffer`` if the handlers are for other events. *delegations*: of all workers. *unseal*:
    needed if messages have sealed fields; raises ``TypeError`` without it.

    *prefetch*: queue → its concurrency, where it is not the default. *transient*: exceptions of the worker's own that
    are worth a retry.
    """
    check_subscriptions(context.name, hears, handlers)
    sealed = sorted(name for name, (message, _) in handlers.by_wire_name.items() if sealed_fields(message))
    if sealed and unseal is None:
        raise TypeError(f"nothing unseals the secrets of {', '.join(sealed)}")
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
        unseal=unseal or _keep_unsealed,
        clock=utc_now,
        delegates=delegates(delegations),
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
        stop_waiting=quarantine.stop,
    )
    service.health.check("consumers", consumers.check)
    # Replies and retries are published: without the publisher no delivery could be settled.
    await context.publisher.link.wait_up()
    service.background(consumers.link.run(), name="consuming")
    service.every(WATCH_SECONDS, consumers.watch, name="consuming_watch", at_once=False)
    service.on_drain(consumers.drain, name="deliveries", stop_taking=consumers.stop_taking)
    await consumers.link.wait_up()


async def open_delegate(service: Service[SettingsT], context: WorkerContext) -> Delegate:
    """For a worker that the catalogue lets ask others for users. Returns once its reply queue is there."""
    url = service.settings.rabbitmq_url.get_secret_value()
    requester = Requester(url, user=user_of(url), name=context.name, publisher=context.publisher, seal=_seal_nothing)
    service.background(requester.link.run(), name="replies")
    service.health.check("replies", requester.check)
    await requester.link.wait_up()
    return Delegate(requester, service=context.name, clock=utc_now)


async def _keep_unsealed(message: Message, _: Envelope) -> Message:
    return message


async def _seal_nothing(message: Message, _: Envelope) -> Message:
    """Secrets are sealed by the gateway, which is told them."""
    if sealed_fields(type(message)):
        raise TypeError(f"{message.wire_name} has secrets: no worker sends it")
    return message


def failure_of(error: BaseException, transient: tuple[type[Exception], ...] = ()) -> Failure:
    return Failure.TRANSIENT if isinstance(error, (*transient, *_OF_OTHERS)) else classify(error)


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


# Of a worker that was asked, or of the way to it: likely gone when the message that asks is handled again.
_OF_OTHERS = (DelegatedFailure, ReplyTimeout, NotPublished)
