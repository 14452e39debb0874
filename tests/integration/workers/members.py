"""Two processes of one worker that change what one Redis caches, and one of them can be cut off from it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from chassis.cache import CacheMember, CacheReader, Entry, Hit, Miss
from chassis.database import Database
from chassis.redis import Redis
from tests.eventually import eventually
from tests.integration.chassis.proxy import Proxy


@dataclass
class Members:
    connected: CacheMember
    cut_off: CacheMember
    proxy: Proxy
    reader: CacheReader

    async def fill(self, *entries: Entry) -> None:
        """As a gateway does that has asked the worker; waits for the leases."""
        for entry in entries:
            await eventually(lambda entry=entry: self._filled(entry))  # type: ignore[misc]

    async def serves(self, *entries: Entry) -> list[bool]:
        """Which entries a gateway would answer with."""
        return [isinstance(found, Hit) for found in await self.reader.read(*entries)]

    @asynccontextmanager
    async def holding(
        self, change: Awaitable[object], is_committed: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[None]:
        """While *change*, made by the process that is cut off, is committed and waits for its lease to end."""
        self.proxy.freeze()
        held = asyncio.ensure_future(change)
        try:
            await eventually(is_committed)
            assert not held.done()
            yield
        finally:
            self.proxy.thaw()
            with suppress(asyncio.CancelledError):
                await held

    async def _filled(self, entry: Entry) -> bool:
        (found,) = await self.reader.read(entry)
        return isinstance(found, Miss) and await self.reader.fill(found, b"before", ttl_seconds=60)


@asynccontextmanager
async def two_members(redis_url: str, database: Database, schema: str, kind: str) -> AsyncIterator[Members]:
    """*kind*: of the entries' names, as ``session``."""
    async with Proxy(redis_url) as proxy:
        # The timeout is for a busy machine, except where the way is cut.
        direct, indirect = Redis(redis_url, timeout_seconds=5), Redis(proxy.url)
        connected, cut_off = (CacheMember(redis, database.pool, schema) for redis in (direct, indirect))
        try:
            await asyncio.gather(connected.join(), cut_off.join())
            yield Members(connected, cut_off, proxy, CacheReader(direct, {kind: schema}))
        finally:
            await asyncio.gather(connected.leave(), cut_off.leave())
            await asyncio.gather(direct.close(), indirect.close())
