"""The servers for as long as a block runs."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from compose.local.given import check_given
from compose.local.home import Home
from compose.local.progress import Report
from compose.local.stack import server_specs
from compose.local.supervisor import Supervisor, stop_left


class Starting:
    """Servers on their way up."""

    def __init__(self, home: Home, given: Mapping[str, str], report: Report) -> None:
        self.supervisor = Supervisor(home, report)
        self._all = asyncio.create_task(self._start_all(home, given, report))

    async def _start_all(self, home: Home, given: Mapping[str, str], report: Report) -> None:
        """Each as soon as its program is there; the others' programs may still have to be got."""
        starting: list[asyncio.Task[None]] = []
        try:
            async for specs in server_specs(home, given, report):
                starting += [asyncio.create_task(self.supervisor.start(specs))]
            await asyncio.gather(*starting)
        finally:
            for task in starting:
                task.cancel()
            await asyncio.gather(*starting, return_exceptions=True)

    async def ready(self, *names: str) -> None:
        """Raises ``CannotProvide`` if any server, also one that is not named, cannot be provided."""
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
async def start_servers(home: Home, given: Mapping[str, str], report: Report) -> AsyncIterator[Starting]:
    """All servers that are not *given*; the given ones are checked. When the block ends, all that was started stops.

    Raises ``CannotProvide``. What an earlier supervisor of this home left running is stopped first.
    """
    with home.locked():
        stop_left(home)
        await check_given(given)
        starting = Starting(home, given, report)
        try:
            yield starting
        finally:
            await _to_its_end(starting.stop())


@asynccontextmanager
async def run_servers(home: Home, given: Mapping[str, str], report: Report) -> AsyncIterator[Supervisor]:
    """As ``start_servers``, all ready."""
    async with start_servers(home, given, report) as starting:
        await starting.all_ready()
        yield starting.supervisor


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Whoever is impatient and cancels us again gets us only when all is stopped."""
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
