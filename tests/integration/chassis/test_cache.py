"""The leased cache's promises, one at a time, against real servers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from chassis.cache import CacheMember, CacheReader, Entry, Hit, Miss, Timing, Unchanged
from chassis.cache.member import INVALIDATE
from chassis.redis import Call, Redis, RedisUnavailable
from tests.eventually import eventually
from tests.integration.chassis.cache_scene import CACHE_SCHEMA, FAST, OWNERS, Pool, recorded
from tests.integration.chassis.proxy import Proxy

SEEN = Entry("thing/1", "ada")


@pytest.fixture
async def redis(cache_url: str) -> AsyncIterator[Redis]:
    redis = Redis(cache_url, timeout_seconds=5)  # for a busy machine
    yield redis
    await redis.close()


@pytest.fixture
def reader(redis: Redis) -> CacheReader:
    return CacheReader(redis, OWNERS)


@asynccontextmanager
async def joined(redis: Redis, pool: Pool, timing: Timing = FAST) -> AsyncIterator[CacheMember]:
    member = CacheMember(redis, pool, CACHE_SCHEMA, timing=timing)
    await member.join()
    try:
        yield member
    finally:
        await member.leave()


@pytest.fixture
async def member(redis: Redis, cache_pool: Pool) -> AsyncIterator[CacheMember]:
    async with joined(redis, cache_pool) as member:
        yield member


@asynccontextmanager
async def member_behind(proxy: Proxy, pool: Pool, timing: Timing = FAST) -> AsyncIterator[CacheMember]:
    """A member whose way to Redis can be frozen."""
    redis = Redis(proxy.url, probe_seconds=0.02)
    try:
        async with joined(redis, pool, timing) as member:
            yield member
    finally:
        await redis.close()


@pytest.fixture
async def proxy(cache_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(cache_url) as proxy:
        yield proxy


async def a_miss(reader: CacheReader, entry: Entry = SEEN) -> Miss:
    """A miss that may be filled: waits for the leases."""
    miss = Miss(entry)

    async def may_be_filled() -> bool:
        nonlocal miss
        (found,) = await reader.read(entry)
        assert isinstance(found, Miss)
        miss = found
        return found.token is not None

    await eventually(may_be_filled)
    return miss


async def keep(reader: CacheReader, value: bytes, entry: Entry = SEEN) -> None:
    async def kept() -> bool:
        return await reader.fill(await a_miss(reader, entry), value, ttl_seconds=60)

    await eventually(kept)


async def is_kept(reader: CacheReader, entry: Entry = SEEN) -> bool:
    (found,) = await reader.read(entry)
    return isinstance(found, Hit)


@pytest.mark.usefixtures("member")
async def test_what_was_filled_is_read_by_its_own_variant_only(reader: CacheReader) -> None:
    await keep(reader, b"as ada sees it")

    hit, other = await reader.read(SEEN, Entry("thing/1", "bob"))

    assert hit == Hit(b"as ada sees it")
    assert isinstance(other, Miss)


async def test_an_invalidation_drops_every_variant_of_its_names_and_nothing_else(
    reader: CacheReader, member: CacheMember
) -> None:
    entries = [Entry("thing/1", "ada"), Entry("thing/1", "bob"), Entry("thing/2"), Entry("thing/3")]
    for entry in entries:
        await keep(reader, b"old", entry)

    await member.invalidate(["thing/1", "thing/2"])

    assert [isinstance(found, Hit) for found in await reader.read(*entries)] == [False, False, False, True]


async def test_the_generation_check_keeps_out_what_was_fetched_before_an_invalidation(
    reader: CacheReader, member: CacheMember
) -> None:
    before = await a_miss(reader)
    await member.invalidate([SEEN.name])
    after = await a_miss(reader)

    assert not await reader.fill(before, b"old", ttl_seconds=60)
    assert not await is_kept(reader)
    assert await reader.fill(after, b"new", ttl_seconds=60)


async def test_an_absent_generation_fills_nothing(reader: CacheReader, member: CacheMember) -> None:
    before = await a_miss(reader)
    await member.invalidate([SEEN.name])

    assert not await reader.fill(before, b"old", ttl_seconds=60)


async def test_the_lease_check_keeps_readers_away_from_a_member_that_is_silent(
    reader: CacheReader, proxy: Proxy, cache_pool: Pool, member: CacheMember
) -> None:
    async with member_behind(proxy, cache_pool) as silent:
        await keep(reader, b"old")
        proxy.freeze()
        await silent.invalidate([SEEN.name])  # Redis has not heard of it

        assert member.joined
        assert not await is_kept(reader)
        proxy.thaw()


async def test_a_silent_member_of_another_owner_keeps_nobody_away(
    reader: CacheReader, redis: Redis, member: CacheMember
) -> None:
    await keep(reader, b"kept")
    await redis.run(Call(("HSET", "cache:members", "other_test:gone", "1")))

    mine, others = await reader.read(SEEN, Entry("other/1"))

    assert member.joined
    assert mine == Hit(b"kept")
    assert others == Miss(Entry("other/1"))


async def test_nothing_is_read_or_filled_for_an_owner_without_members(reader: CacheReader, member: CacheMember) -> None:
    await a_miss(reader)
    await member.leave()

    assert await reader.read(SEEN) == [Miss(SEEN)]


async def test_nothing_is_filled_while_a_lease_is_over(reader: CacheReader, redis: Redis, member: CacheMember) -> None:
    miss = await a_miss(reader)
    await redis.run(Call(("HSET", "cache:members", f"{CACHE_SCHEMA}:{uuid4()}", "1")))

    assert member.joined
    assert not await reader.fill(miss, b"late", ttl_seconds=60)


async def test_an_invalidation_that_redis_hears_costs_one_round_trip(
    reader: CacheReader, redis: Redis, member: CacheMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_miss(reader)
    trips: list[tuple[Call, ...]] = []
    real_run = redis.run

    async def counted(*calls: Call) -> list[object]:
        trips.append(calls)
        return await real_run(*calls)

    await member.invalidate(["warm/up"])
    monkeypatch.setattr(redis, "run", counted)
    await member.invalidate(["thing/1", "thing/2"])

    assert [len(calls) for calls in trips if "thing/1" in calls[0].arguments] == [1]


async def test_a_frozen_redis_delays_an_invalidation_by_no_more_than_the_lease(
    reader: CacheReader, proxy: Proxy, cache_pool: Pool
) -> None:
    async with member_behind(proxy, cache_pool) as member:
        await keep(reader, b"old")
        # Whoever has only just gone on record waits longer: the others may not know of it yet.
        await asyncio.sleep(FAST.reconciled_for_seconds)
        proxy.freeze()

        started_at = time.monotonic()
        await member.invalidate([SEEN.name])
        assert time.monotonic() - started_at < FAST.lease_seconds + FAST.margin_seconds + 1.5
        started_at = time.monotonic()
        for _ in range(5):
            await member.invalidate([SEEN.name])
        assert time.monotonic() - started_at < 5 * FAST.lease_seconds
        proxy.thaw()


async def test_who_comes_back_raises_the_epoch(reader: CacheReader, proxy: Proxy, cache_pool: Pool) -> None:
    async with member_behind(proxy, cache_pool) as member:
        await keep(reader, b"old")
        proxy.freeze()
        await member.invalidate([SEEN.name])
        proxy.thaw()

        await a_miss(reader)  # read again, and gone


async def test_a_renewal_does_not_revive_a_lease_that_lapsed(
    reader: CacheReader, redis: Redis, member: CacheMember, cache_pool: Pool
) -> None:
    await keep(reader, b"old")
    (mine,) = await recorded(cache_pool)
    await redis.run(Call(("HSET", "cache:members", f"{CACHE_SCHEMA}:{mine}", "1")))

    await a_miss(reader)
    assert member.joined


async def test_losing_redis_loses_nothing_and_brings_nothing_back(
    reader: CacheReader, redis: Redis, member: CacheMember
) -> None:
    await keep(reader, b"old")
    before = await reader.read(Entry("thing/2"))
    await redis.run(Call(("FLUSHDB",)))

    await member.invalidate([SEEN.name])
    assert await a_miss(reader) != Miss(SEEN)
    assert isinstance(before[0], Miss)
    assert not await reader.fill(before[0], b"from before the loss", ttl_seconds=60)


async def test_a_member_that_redis_lost_keeps_readers_away_until_it_is_back(
    reader: CacheReader, redis: Redis, proxy: Proxy, cache_pool: Pool, member: CacheMember
) -> None:
    async with member_behind(proxy, cache_pool):
        await a_miss(reader)
        proxy.freeze()
        await redis.run(Call(("FLUSHDB",)))
        await until_joined_anew(redis, member)

        assert await reader.read(SEEN) == [Miss(SEEN)]
        proxy.thaw()
        await a_miss(reader)


async def until_joined_anew(redis: Redis, member: CacheMember) -> None:
    async def known() -> bool:
        (epoch,) = await redis.run(Call(("GET", "cache:epoch")))
        return epoch is not None

    await eventually(known)
    assert member.joined


async def test_a_dead_member_is_removed_and_reading_goes_on(
    reader: CacheReader, redis: Redis, cache_pool: Pool, member: CacheMember
) -> None:
    await keep(reader, b"old")
    dead = uuid4()
    await cache_pool.execute("INSERT INTO cache_test.cache_members VALUES ($1, now())", dead)

    async def kept_away() -> bool:
        return await reader.read(SEEN) == [Miss(SEEN)]

    async def gone() -> bool:
        return dead not in await recorded(cache_pool)

    await eventually(kept_away)
    await eventually(gone)
    await a_miss(reader)  # what was kept before the removal is gone
    assert member.joined
    assert f"{CACHE_SCHEMA}:{dead}".encode() not in (await redis.run(Call(("HKEYS", "cache:members"))))[0]


async def test_a_removed_member_tells_nothing_before_it_is_on_record_again(
    reader: CacheReader, proxy: Proxy, cache_pool: Pool, member: CacheMember
) -> None:
    async with member_behind(proxy, cache_pool) as zombie:
        await a_miss(reader)
        (removed,) = await recorded(cache_pool) - {await whose(member, cache_pool)}
        proxy.freeze()

        async def is_removed() -> bool:
            return removed not in await recorded(cache_pool)

        await eventually(is_removed)
        await zombie.invalidate([SEEN.name])

        assert len(await recorded(cache_pool)) == 2
        assert await reader.read(SEEN) == [Miss(SEEN)]  # its new record keeps readers away
        proxy.thaw()
        await a_miss(reader)


async def whose(member: CacheMember, pool: Pool) -> UUID:
    assert member._member in await recorded(pool)
    assert member._member is not None
    return member._member


async def test_leaving_lets_the_others_go_on_at_once(
    reader: CacheReader, redis: Redis, cache_pool: Pool, member: CacheMember
) -> None:
    async with joined(redis, cache_pool):
        await keep(reader, b"old")

    assert isinstance((await reader.read(SEEN))[0], Miss)
    assert await recorded(cache_pool) == {await whose(member, cache_pool)}
    (fields,) = await redis.run(Call(("HKEYS", "cache:members")))
    assert len([field for field in fields if field != b":clock"]) == 1


async def test_a_worker_that_starts_without_redis_still_gets_to_tell(
    reader: CacheReader, proxy: Proxy, cache_pool: Pool, member: CacheMember
) -> None:
    await keep(reader, b"old")
    proxy.refuse()
    async with member_behind(proxy, cache_pool) as lonely:
        assert not lonely.joined
        await lonely.invalidate([SEEN.name])

        assert member.joined
        assert await reader.read(SEEN) == [Miss(SEEN)]  # the other one told Redis of it
        proxy.thaw()
        await a_miss(reader)


async def test_without_redis_every_read_is_a_miss_that_is_not_filled(proxy: Proxy) -> None:
    redis = Redis(proxy.url)
    reader = CacheReader(redis, OWNERS)
    proxy.refuse()

    (miss,) = await reader.read(SEEN)

    assert miss == Miss(SEEN)
    assert not await reader.fill(miss, b"value", ttl_seconds=60)
    await redis.close()


@pytest.mark.usefixtures("member")
async def test_the_first_fill_decides_how_long_a_name_stays(reader: CacheReader, redis: Redis) -> None:
    assert await reader.fill(await a_miss(reader), b"first", ttl_seconds=0.3)
    await reader.fill(await a_miss(reader, Entry("thing/1", "bob")), b"second", ttl_seconds=600)

    keys = (await redis.run(Call(("KEYS", "c:*:thing/1"))))[0]
    assert [0 <= ttl <= 300 for ttl in await redis.run(*(Call(("PTTL", key)) for key in keys))] == [True] * len(keys)
    await a_miss_after(reader)


async def a_miss_after(reader: CacheReader) -> None:
    async def gone() -> bool:
        return not await is_kept(reader)

    await eventually(gone)


@pytest.mark.usefixtures("member")
async def test_a_value_too_large_is_not_kept(redis: Redis) -> None:
    reader = CacheReader(redis, OWNERS, max_value_bytes=10)

    assert not await reader.fill(await a_miss(reader), b"x" * 11, ttl_seconds=60)


KNOWING = Entry(SEEN.name, SEEN.variant, ("2", "3"))


@pytest.mark.usefixtures("member")
async def test_who_has_the_tag_of_an_entry_is_not_sent_its_value(reader: CacheReader) -> None:
    assert await reader.fill(await a_miss(reader), b"value", ttl_seconds=60, tag="3")

    assert await reader.read(KNOWING, SEEN) == [Unchanged(b"", "3"), Hit(b"value")]
    for others in ("33",), ("",), ("2", "4"):
        assert await reader.read(Entry(SEEN.name, SEEN.variant, others)) == [Hit(b"value")]


@pytest.mark.usefixtures("member")
async def test_an_entry_of_a_release_that_kept_no_tags_is_read_as_ever(reader: CacheReader) -> None:
    await keep(reader, b"value")

    assert await reader.read(KNOWING) == [Hit(b"value")]


async def test_the_tag_of_a_value_too_large_is_kept_until_it_is_invalidated(redis: Redis, member: CacheMember) -> None:
    reader = CacheReader(redis, OWNERS, max_value_bytes=10)
    assert await reader.fill(await a_miss(reader), b"x" * 11, ttl_seconds=60, tag="3")

    assert await reader.read(KNOWING) == [Unchanged(b"", "3")]
    assert not await is_kept(reader)
    await member.invalidate([SEEN.name])
    (found,) = await reader.read(KNOWING)
    assert isinstance(found, Miss)


async def test_nothing_is_filled_under_an_epoch_that_is_over(
    reader: CacheReader, redis: Redis, cache_pool: Pool, member: CacheMember
) -> None:
    miss = await a_miss(reader)
    async with joined(redis, cache_pool):
        assert member.joined
        assert not await reader.fill(miss, b"old", ttl_seconds=60)


async def test_a_member_lets_its_lease_run_out_while_redis_does_not_take_its_invalidation(
    reader: CacheReader, proxy: Proxy, cache_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with member_behind(proxy, cache_pool) as member:
        await keep(reader, b"old")
        real_run = member._redis.run

        async def takes_no_invalidation(*calls: Call) -> list[object]:
            if calls[0].script is INVALIDATE:
                raise RedisUnavailable
            return await real_run(*calls)

        monkeypatch.setattr(member._redis, "run", takes_no_invalidation)
        async with asyncio.timeout(10):
            await member.invalidate([SEEN.name])
        assert not await is_kept(reader)
