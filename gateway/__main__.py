"""The gateway, put together."""

import asyncio

from aiohttp import web
from uuid_utils.compat import uuid7

from chassis.bus.amqp import AmqpPublisher
from chassis.bus.requester import Requester
from chassis.cache import CacheReader
from chassis.inflight import InFlight
from chassis.lifecycle import Service, run
from chassis.limits import RateLimits
from chassis.logging import logger
from chassis.metrics import GatewayMetrics, PoolMetrics
from chassis.redis import Redis
from chassis.worker import user_of
from contracts.auth import GetPublicKeys, PublicKeys
from contracts.catalogue import WORKERS
from contracts.envelope import Envelope
from contracts.message import Message
from contracts.outcome import Status
from gateway.answers import Answers
from gateway.asking import GATEWAY, Asking, envelope_of
from gateway.breaker import Breaker
from gateway.edge import Edge
from gateway.entrance import Entrance
from gateway.idempotency import Signer
from gateway.problems import of_refusal
from gateway.routes import application
from gateway.settings import GatewaySettings
from gateway.tokens import Keys, Tokens

# Who invalidates which entries: the schema whose members hold the leases.
CACHE_OWNERS = {"diagram": "diagram", "session": "auth"}
GAUGE_SECONDS = 1.0

_log = logger(__name__)


async def compose(service: Service[GatewaySettings]) -> None:
    settings = service.settings
    metrics = GatewayMetrics(service.registry)
    url = settings.rabbitmq_url.get_secret_value()
    redis = Redis(settings.redis_url.get_secret_value(), max_connections=settings.redis_pool_max)
    service.closes(redis.close)
    PoolMetrics(service.registry).watch("redis", lambda: {"used": redis.connections_in_use})

    publisher = AmqpPublisher(url, user=user_of(url), name="gateway")

    async def seal(message: Message, envelope: Envelope) -> Message:
        return await keys.seal(message, envelope)

    requester = Requester(url, user=user_of(url), name="gateway", publisher=publisher, seal=seal)
    asking = Asking(requester, {worker: Breaker(worker, metrics) for worker in WORKERS})

    async def public_keys() -> PublicKeys:
        query = GetPublicKeys()
        outcome = await asking.ask(query, envelope_of(query, GATEWAY, correlation_id=str(uuid7())))
        if outcome.status is not Status.SUCCEEDED:
            assert outcome.problem is not None
            raise of_refusal(outcome.problem)
        return PublicKeys.model_validate(outcome.reply)

    keys = Keys(public_keys)
    cache = CacheReader(redis, CACHE_OWNERS)
    in_flight = InFlight(redis)
    signer = Signer(settings.gateway_secret.get_secret_value())
    entrance = Entrance(
        settings,
        redis=redis,
        cache=cache,
        limits=RateLimits(redis),
        in_flight=in_flight,
        tokens=Tokens(keys),
        signer=signer,
        metrics=metrics,
    )
    answers = Answers(entrance=entrance, asking=asking, cache=cache, in_flight=in_flight, signer=signer)
    edge = Edge(settings, metrics)

    service.health.check("rabbitmq", publisher.check)
    service.health.check("replies", requester.check)
    service.health.check("keys", keys.check)
    service.health.check("redis", redis.ping, needed=False)
    service.background(publisher.link.run(), name="publishing")
    service.background(requester.link.run(), name="replies")
    service.background(keys.keep(), name="keys")
    service.background(_show(metrics, redis), name="redis gauge")

    app = application(
        edge, answers, keys,
        registry=service.registry, health=service.health, max_body_bytes=settings.max_body_bytes,
    )  # fmt: skip
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.drain_seconds, handler_cancellation=False)
    await runner.setup()
    service.closes(runner.cleanup)
    site = web.TCPSite(runner, settings.http_host, settings.http_port)
    await site.start()
    _log.info("listening", url=f"http://{settings.http_host}:{settings.http_port}")

    async def drain() -> None:
        """Readiness is off already: a load balancer's time to notice, then no new connections, then what is in hand."""
        edge.leaving = True
        await asyncio.sleep(settings.drain_grace_seconds)
        await site.stop()
        await runner.shutdown()
        await runner.cleanup()

    service.on_drain(drain, name="http")


async def _show(metrics: GatewayMetrics, redis: Redis) -> None:
    while True:
        metrics.redis_connections.set(redis.connections_in_use)
        await asyncio.sleep(GAUGE_SECONDS)


if __name__ == "__main__":
    run("gateway", GatewaySettings, compose)
