"""The HTTP port for metrics and health checks, for Prometheus and orchestrators."""

import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_async.aio.web import MetricsHTTPServer
from pydantic_core import to_json

from chassis import exposition
from chassis.health import Health, HealthReport
from chassis.logging import logger

log: Final = logger(__name__)

CLOSE_SECONDS: Final = 1.0  # a response takes milliseconds; a probe's idle connection must not delay a stop


def operational_routes(registry: exposition.Registry, health: Health) -> list[web.RouteDef]:
    """The routes ``/metrics`` and ``/health*``."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=registry.scrape(), headers={"Content-Type": exposition.CONTENT_TYPE})

    return [
        web.get("/metrics", metrics),
        web.get("/health", _answer(health.ready)),
        web.get("/health/live", _answer(health.live)),
        web.get("/health/ready", _answer(health.ready)),
    ]


@asynccontextmanager
async def side_port(
    host: str, port: int, *, registry: exposition.Registry, health: Health, or_free_port: bool = False
) -> AsyncIterator[str]:
    """Serve within the block; yields the URL. With *or_free_port*, use a free port if *port* is taken."""
    app = web.Application()
    app.add_routes(operational_routes(registry, health))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            if not (or_free_port and error.errno == errno.EADDRINUSE):
                raise
            await web.TCPSite(runner, host, 0).start()
        server = MetricsHTTPServer.from_server(runner, app, https=False)
        log.info("side_port_listening", url=server.url)
        yield server.url
    finally:
        await runner.cleanup()


def _answer(ask: Callable[[], Awaitable[HealthReport]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        report = await ask()
        return web.Response(
            status=200 if report.good else 503,
            body=to_json(report.as_json()),
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    return answer
