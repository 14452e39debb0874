"""The servers for as long as a block runs."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from compose.local.given import check_given
from compose.local.home import Home
from compose.local.stack import server_specs
from compose.local.supervisor import Report, Supervisor, stop_left


@asynccontextmanager
async def run_servers(home: Home, given: Mapping[str, str], report: Report) -> AsyncIterator[Supervisor]:
    """All servers that are not *given*, ready; the given ones in reach.

    When the block ends, all that the supervisor started is stopped.

    Raises ``CannotProvide``. What an earlier supervisor of this home left running is stopped first.
    """
    with home.locked():
        stop_left(home)
        await check_given(given)
        supervisor = Supervisor(home, report)
        starting: list[asyncio.Task[None]] = []
        try:
            async for group in server_specs(home, given):
                starting += [asyncio.create_task(supervisor.start(group))]
            await asyncio.gather(*starting)
            yield supervisor
        finally:
            for task in starting:
                task.cancel()
            await _to_its_end(_stop(supervisor, starting))


async def _stop(supervisor: Supervisor, starting: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*starting, return_exceptions=True)
    await supervisor.stop()


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
