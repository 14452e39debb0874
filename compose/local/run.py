"""Runs the servers while a block runs."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from compose.local.external_servers import check_external_servers
from compose.local.home import Home
from compose.local.progress import Report
from compose.local.stack import server_specs
from compose.local.supervisor import Supervisor, stop_leftovers


class ServerStartup:
    """Servers that are starting."""

    def __init__(self, home: Home, external: Mapping[str, str], report: Report, connections: int | None) -> None:
        self.supervisor = Supervisor(home, report)
        self._all = asyncio.create_task(self._start_all(home, external, report, connections))

    async def _start_all(
        self, home: Home, external: Mapping[str, str], report: Report, connections: int | None
    ) -> None:
        """Starts each server as soon as its program is installed, while others are still downloaded."""
        starting: list[asyncio.Task[None]] = []
        try:
            async for specs in server_specs(home, external, report, connections=connections):
                starting += [asyncio.create_task(self.supervisor.start(specs))]
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def ready(self, *names: str) -> None:
        """Waits for the named servers. Raises ``OperatorError`` if any server cannot be started."""
        named = asyncio.create_task(self._ready(names))
        try:
            await asyncio.wait({named, self._all}, return_when=asyncio.FIRST_COMPLETED)
            if self._all.done():
                self._all.result()
        finally:
            named.cancel()

    async def _ready(self, names: Sequence[str]) -> None:
        for name in names:
            await self.supervisor.ready(name)

    async def all_ready(self) -> None:
        await asyncio.shield(self._all)

    async def stop(self) -> None:
        self._all.cancel()
        await asyncio.gather(self._all, return_exceptions=True)
        await self.supervisor.stop()


@asynccontextmanager
async def start_servers(
    home: Home, external: Mapping[str, str], report: Report, *, connections: int | None = None
) -> AsyncIterator[ServerStartup]:
    """Starts the servers that are not *external*, checks those that are, and stops what it started at the end.

    *connections*: PostgreSQL's max_connections, if not the default for the usual number of processes.
    Processes that an earlier supervisor of this home left running are stopped first. Raises ``OperatorError``.
    """
    with home.locked():
        stop_leftovers(home)
        await check_external_servers(external)
        starting = ServerStartup(home, external, report, connections)
        try:
            yield starting
        finally:
            await _finish_despite_cancel(starting.stop())


@asynccontextmanager
async def run_servers(home: Home, external: Mapping[str, str], report: Report) -> AsyncIterator[Supervisor]:
    """As ``start_servers``, and waits until all are ready."""
    async with start_servers(home, external, report) as starting:
        await starting.all_ready()
        yield starting.supervisor


async def _finish_despite_cancel(work: Coroutine[Any, Any, None]) -> None:
    """Completes *work* even if cancelled meanwhile, and then raises the cancellation."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as again:
            cancelled = again
    task.result()
    if cancelled is not None:
        raise cancelled
