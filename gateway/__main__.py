"""The gateway's process: opens its connections and serves the API."""

import asyncio

from aiohttp import web

from chassis.announcements import ANNOUNCE_EVERY_SECONDS, Announcer
from chassis.bus.amqp import AmqpPublisher
from chassis.bus.requester import Requester
from chassis.lifecycle import Service, run
from chassis.logging import logger
from chassis.metrics import PoolMetrics
from chassis.redis import Redis
from chassis.worker import user_of
from gateway.assembly import assemble
from gateway.edge import Edge
from gateway.metrics import GatewayMetrics
from gateway.ports import Seal
from gateway.server import HttpServer
from gateway.settings import GatewaySettings
from gateway.tokens import REFRESH_SECONDS

FIRST_KEYS_SECONDS = 0.5  # between askings while there are none

_log = logger(__name__)


async def compose(service: Service[GatewaySettings]) -> None:
    for url in await open_gateway(service):
        _log.info("listening", url=url)


async def open_gateway(service: Service[GatewaySettings]) -> tuple[str, ...]:
    """The URLs it listens at. Returns once the broker is connected and the auth worker has sent its public keys."""
    settings = service.settings
    metrics = GatewayMetrics(service.registry)
    url = settings.rabbitmq_url.get_secret_value()
    redis = Redis(settings.redis_url.get_secret_value(), max_connections=settings.redis_pool_max)
    service.on_close(redis.close)
    PoolMetrics(service.registry).watch("redis", lambda: {"used": redis.connections_in_use})
    publisher = AmqpPublisher(url, user=user_of(url), name="gateway")
    requesters: list[Requester] = []

    def bus(seal: Seal) -> Requester:
        requesters.append(Requester(url, user=user_of(url), name="gateway", publisher=publisher, seal=seal))
        return requesters[0]

    gateway = assemble(
        settings,
        metrics=metrics,
        registry=service.registry,
        health=service.health,
        redis=redis,
        bus=bus,
        queues=publisher.link.queue_states,
    )
    announcer = Announcer(redis, service.name, service.version, service.health, service.registry)
    service.every(ANNOUNCE_EVERY_SECONDS, announcer.announce, name="announcements")
    service.on_close(announcer.leave)
    (requester,) = requesters
    service.health.check("rabbitmq", publisher.check)
    service.health.check("replies", requester.check)
    service.health.check("keys", gateway.keys.check)
    service.health.check("redis", redis.ping, needed=False)
    service.background(publisher.link.run(), name="publishing")
    service.background(requester.link.run(), name="replies")
    service.every(REFRESH_SECONDS, gateway.keys.refresh, name="keys", retry_seconds=FIRST_KEYS_SECONDS)
    service.every(gateway.cache.watch_seconds, gateway.cache.watch_clock, name="cache_clock")
    # Asked at scrape time, as pools are: no loop keeps it in step.
    metrics.redis_connections.set_function(lambda: redis.connections_in_use)
    # Listen only once requests can be served; until then the side port says what is missing.
    await publisher.link.wait_up()
    await requester.link.wait_up()
    await gateway.keys.wait()
    return await _listen(service, gateway.app, gateway.edge)


async def _listen(service: Service[GatewaySettings], app: web.Application, edge: Edge) -> tuple[str, ...]:
    settings = service.settings
    listening = HttpServer(app, drain_seconds=settings.drain_seconds, idle_seconds=settings.idle_connection_seconds)
    service.on_close(listening.close)
    await listening.start(settings.http_host, settings.http_port, reuse_port=settings.http_reuse_port)

    async def drain() -> None:
        """Readiness is off already. Waits for load balancers to notice, stops accepting, finishes what is in flight."""
        edge.draining = True
        await asyncio.sleep(settings.drain_grace_seconds)
        await listening.close()

    service.on_drain(drain, name="http")
    return listening.urls


if __name__ == "__main__":
    run("gateway", GatewaySettings, compose)
