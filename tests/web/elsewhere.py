"""A page that means harm, served from another port of the gateway's host, and from another site."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from tests.web.chromium import ELSEWHERE

PAGE = "<!doctype html><title>Elsewhere</title><p>Elsewhere"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    same_site: str  # the gateway's host, another port: SameSite cookies are sent from here
    cross_site: str


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    application = web.Application()
    application.router.add_get("/{path:.*}", page)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield Elsewhere(f"http://127.0.0.1:{port}/", f"http://{ELSEWHERE}:{port}/")
    finally:
        await runner.cleanup()
