"""The servers for as long as a block runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from compose.local.home import Home
from compose.local.stack import server_specs
from compose.local.supervisor import Report, Supervisor, stop_left


@asynccontextmanager
async def run_servers(home: Home, given: Mapping[str, str], report: Report) -> AsyncIterator[Supervisor]:
    """All servers that are not *given*, ready; stopped with all else that the supervisor started when the block ends.

    Raises ``CannotProvide``. What an earlier supervisor of this home left running is stopped first.
    """
    with home.locked():
        stop_left(home)
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
            await asyncio.gather(*starting, return_exceptions=True)
            await supervisor.stop()
