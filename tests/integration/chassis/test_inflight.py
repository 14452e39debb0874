"""Marks for what is being worked on."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from chassis.inflight import InFlight
from chassis.redis import Call, Redis
from tests.eventually import eventually
from tests.integration.chassis.proxy import Proxy


@pytest.fixture
async def proxy(cache_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(cache_url) as proxy:
        yield proxy


@pytest.fixture
async def redis(proxy: Proxy) -> AsyncIterator[Redis]:
    redis = Redis(proxy.url, probe_seconds=0.02, timeout_seconds=5)
    yield redis
    await redis.close()


async def test_of_many_that_claim_one_gets_the_mark(redis: Redis) -> None:
    processes = [InFlight(redis), InFlight(redis)]

    claims = await asyncio.gather(*(processes[n % 2].acquire("key", f"r{n}", ttl_seconds=60) for n in range(20)))

    assert sum(claims) == 1


async def test_a_mark_is_released_by_its_owner_only(redis: Redis) -> None:
    here, there = InFlight(redis), InFlight(redis)
    assert await here.acquire("key", "first", ttl_seconds=60)

    await there.release("key", "second")
    assert not await there.acquire("key", "second", ttl_seconds=60)
    await here.release("key", "first")
    assert await there.acquire("key", "second", ttl_seconds=60)


async def test_a_mark_runs_out_by_itself(redis: Redis) -> None:
    here, there = InFlight(redis), InFlight(redis)
    assert await here.acquire("key", "first", ttl_seconds=0.1)

    async def free() -> bool:
        return await there.acquire("key", "second", ttl_seconds=60)

    await eventually(free)


async def test_a_mark_is_kept_for_as_long_as_its_request_runs_and_no_longer(redis: Redis) -> None:
    here, there = InFlight(redis), InFlight(redis)
    assert await here.acquire("key", "first", ttl_seconds=1.0)
    taken = 0
    async with here.renewing("key", "first", ttl_seconds=1.0):
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            taken += await there.acquire("key", "second", ttl_seconds=60)
    assert taken == 0
    assert await there.acquire("key", "second", ttl_seconds=60)


async def test_a_mark_that_redis_lost_is_set_again_but_for_another_s(redis: Redis) -> None:
    here, there = InFlight(redis), InFlight(redis)

    async def lost_and_found() -> bool:
        return not await there.acquire("key", "third", ttl_seconds=0.05)

    async with here.renewing("key", "first", ttl_seconds=0.3):
        await redis.run(Call(("DEL", "f:key")))
        await eventually(lost_and_found)
        await redis.run(Call(("SET", "f:key", "second")))
        await here.acquire("another", "first", ttl_seconds=0.5)
    assert not await there.acquire("key", "fourth", ttl_seconds=60)
    await redis.run(Call(("DEL", "f:key", "f:another")))


async def test_without_redis_a_process_still_knows_its_own_marks(redis: Redis, proxy: Proxy) -> None:
    here = InFlight(redis)
    proxy.refuse()

    assert await here.acquire("key", "first", ttl_seconds=60)
    assert not await here.acquire("key", "second", ttl_seconds=60)
    await here.release("key", "second")
    assert not await here.acquire("key", "second", ttl_seconds=60)
    await here.release("key", "first")
    assert await here.acquire("key", "second", ttl_seconds=60)


async def test_marks_that_ran_out_take_no_room(redis: Redis, proxy: Proxy) -> None:
    now = 0.0
    here = InFlight(redis, clock=lambda: now)
    proxy.refuse()
    for n in range(100):
        await here.acquire(f"key {n}", "owner", ttl_seconds=60)

    now = 61.0
    assert await here.acquire("key 5", "another", ttl_seconds=60)

    assert set(here._held) == {"key 5"}
