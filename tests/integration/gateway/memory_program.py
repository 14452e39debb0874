"""A gateway in a process of its own, whose peak of memory can be asked for. Says where on standard output."""

import asyncio
import ctypes
import gc
from pathlib import Path
from typing import Any

from aiohttp import web

from chassis import lifecycle
from contracts.auth.keys import GetPublicKeys
from contracts.auth.sessions import GetLiveSession
from contracts.envelope import Envelope, encode
from contracts.message import Request
from contracts.outcome import Outcome
from tests.integration.gateway.scene import InProcessBus, open_scene


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def forget(_: web.Request) -> web.Response:
    """From here on the peak counts anew; what was freed goes back to the kernel, or its use again would not be seen."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    _forget_peak()
    return web.json_response(_kilobytes("VmRSS") * 1024)


async def peak(_: web.Request) -> web.Response:
    return web.json_response(_kilobytes("VmHWM") * 1024)


async def serve() -> None:
    InProcessBus.request = _ask  # type: ignore[method-assign]  # a worker's memory is not the gateway's
    app = web.Application()
    app.add_routes([web.post("/forget", forget), web.get("/peak", peak)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with open_scene() as scene:
        lifecycle._return_large_allocations()
        print(runner.addresses[0][1], scene.listening.urls[0], flush=True)  # noqa: T201 - to the test
        await asyncio.Event().wait()


_ask_all = InProcessBus.request


async def _ask(self: Any, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> Outcome:
    if isinstance(request, GetLiveSession | GetPublicKeys):
        return await _ask_all(self, request, envelope, timeout_seconds=timeout_seconds)
    encode(envelope, await self._seal(request, envelope))
    return Outcome.failed("internal_error", "Nobody carries it out")


if __name__ == "__main__":
    asyncio.run(serve())
