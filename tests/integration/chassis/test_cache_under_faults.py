"""The leased cache's one promise, whatever happens: after a write was told, nobody reads what was before.

A seeded schedule of faults runs beside concurrent writers and readers against real servers. The truth is a row in
Postgres, read and written as workers do it; each writer's member reaches Redis by a way of its own, which can freeze,
break and come back. What the seed decides can be repeated, what the scheduler decides cannot: a failure names its seed.
A run lasts until enough has happened to show something, which takes a busy machine longer.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
from redis.asyncio import Redis as RedisClient

from chassis.cache import CacheMember, CacheReader, Entry, Hit, Timing
from chassis.redis import Redis
from tests.integration.chassis.cache_scene import CACHE_SCHEMA, OWNERS, Pool
from tests.integration.chassis.proxy import Proxy

NAMES = ("thing/1", "thing/2", "thing/3")
SECONDS = 2.5  # at least
DEADLINE_SECONDS = 90.0
# Of reads from the cache, writes that were told, and faults of each kind.
ENOUGH_HITS, ENOUGH_WRITES, ENOUGH_FAULTS = 5, 20, 1

HASTY = Timing(
    lease_seconds=0.15,
    renew_seconds=0.03,
    margin_seconds=0.05,
    reconcile_seconds=0.03,
    reconciled_for_seconds=0.15,
    dead_after_seconds=0.4,
    retry_seconds=0.01,
)


@dataclass
class Worker:
    """A member, and its own way to Redis."""

    member: CacheMember
    redis: Redis
    way: Proxy


@dataclass
class World:
    chance: random.Random
    pool: Pool
    told: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    began_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    hits: int = 0
    writes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    lies: list[str] = field(default_factory=list)

    def goes_on(self) -> bool:
        seconds = asyncio.get_running_loop().time() - self.began_at
        return not self.lies and (seconds < SECONDS or (not self.has_shown() and seconds < DEADLINE_SECONDS))

    def has_shown(self) -> bool:
        """Whether what must happen for the run to mean anything has."""
        return (
            self.hits >= ENOUGH_HITS
            and self.writes >= ENOUGH_WRITES
            and all(self.faults[fault.__name__] >= ENOUGH_FAULTS for fault in FAULTS)
        )

    async def write(self, worker: Worker) -> None:
        name = self.chance.choice(NAMES)
        value = await self.pool.fetchval(
            "UPDATE cache_test.truth SET value = value + 1 WHERE name = $1 RETURNING value", name
        )
        await worker.member.invalidate([name])
        self.told[name] = max(self.told[name], value)
        self.writes += 1

    async def read(self, reader: CacheReader) -> None:
        name = self.chance.choice(NAMES)
        told = self.told[name]
        (found,) = await reader.read(Entry(name, self.chance.choice("ab")))
        if isinstance(found, Hit):
            self.hits += 1
            if int(found.value) < told:
                self.lies.append(f"{name} was {told}, and then read as {int(found.value)}")
            return
        value = await self.pool.fetchval("SELECT value FROM cache_test.truth WHERE name = $1", name)
        if self.chance.random() < 0.3:  # an answer that is late: others write and invalidate before it is filled
            await asyncio.sleep(self.chance.uniform(0, 0.1))
        await reader.fill(found, str(value).encode(), ttl_seconds=60)


@pytest.fixture
async def truth(cache_pool: Pool) -> Pool:
    await cache_pool.execute("CREATE TABLE cache_test.truth (name text PRIMARY KEY, value bigint NOT NULL)")
    await cache_pool.executemany("INSERT INTO cache_test.truth VALUES ($1, 0)", [(name,) for name in NAMES])
    return cache_pool


@asynccontextmanager
async def a_worker(url: str, pool: Pool) -> AsyncIterator[Worker]:
    async with Proxy(url) as way:
        redis = Redis(way.url, timeout_seconds=0.05, probe_seconds=0.02)
        member = CacheMember(redis, pool, CACHE_SCHEMA, timing=HASTY)
        await member.join()
        yield Worker(member, redis, way)
        way.thaw()
        await member.leave()
        await redis.close()


async def silence(world: World, worker: Worker) -> None:
    """From a hiccup to longer than it takes to be removed; what was held back arrives late."""
    worker.way.freeze()
    await asyncio.sleep(world.chance.choice([0.02, 0.1, 0.25, 0.9]))
    worker.way.thaw()


async def cut_off(world: World, worker: Worker) -> None:
    worker.way.refuse()
    await asyncio.sleep(world.chance.choice([0.02, 0.1, 0.25, 0.9]))
    worker.way.thaw()


async def stop_renewing(world: World, worker: Worker) -> None:
    """As a stopped process that goes on where it was: its lease runs out, and it may have been removed meanwhile."""
    for task in worker.member._tasks:
        task.cancel()
    await asyncio.gather(*worker.member._tasks, return_exceptions=True)
    await asyncio.sleep(world.chance.choice([0.1, 0.9]))
    await worker.member.join()


FAULTS: list[Callable[[World, Worker], Awaitable[None]]] = [silence, cut_off, stop_renewing]


async def repeat(step: Callable[[], Awaitable[None]], world: World, pause: Callable[[], float]) -> None:
    while world.goes_on():
        await step()
        await asyncio.sleep(pause())


@pytest.mark.parametrize("seed", range(6))
async def test_after_a_write_was_told_nobody_reads_what_was_before(seed: int, cache_url: str, truth: Pool) -> None:
    world = World(random.Random(seed), truth)  # noqa: S311 - nothing secret is drawn
    chance = world.chance
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(RedisClient.from_url(cache_url))
        workers = [await stack.enter_async_context(a_worker(cache_url, truth)) for _ in range(3)]
        gateway = Redis(cache_url, timeout_seconds=1)
        stack.push_async_callback(gateway.close)
        reader = CacheReader(gateway, OWNERS)

        async def writes(worker: Worker) -> None:
            await repeat(partial(world.write, worker), world, lambda: chance.uniform(0, 0.05))

        async def suffers(worker: Worker) -> None:
            async def strike() -> None:
                fault = chance.choice(FAULTS)
                await fault(world, worker)
                world.faults[fault.__name__] += 1

            await repeat(strike, world, lambda: chance.uniform(0.2, 1.5))

        async def restart_redis() -> None:
            await server.flushdb()
            for worker in workers:
                worker.way.cut()

        async with asyncio.timeout(DEADLINE_SECONDS + 30), asyncio.TaskGroup() as tasks:
            for worker in workers:
                tasks.create_task(writes(worker))
                tasks.create_task(suffers(worker))
            for _ in range(4):
                tasks.create_task(repeat(lambda: world.read(reader), world, lambda: chance.uniform(0, 0.005)))
            tasks.create_task(repeat(restart_redis, world, lambda: chance.uniform(0.5, 1.5)))

    assert world.lies == []
    assert world.has_shown(), f"nothing was shown: {world.hits} hits, {world.writes} writes, {world.faults}"
