"""The simulation's Redis answers the cache's scripts, and the commands in them, as the real one does."""

import time
from collections.abc import AsyncIterator

import pytest

from chassis.cache.member import INVALIDATE, JOIN, RECONCILE, REMOVE, RENEW
from chassis.cache.reader import FILL, READ
from chassis.redis import Call, Redis
from tests.simulation.plan import Plan
from tests.simulation.redis import RedisInMemory, Server
from tests.simulation.world import World

SOON = int(time.time() * 1000) + 60_000
LATER = SOON + 60_000
LONGEST = 3_600_000


@pytest.fixture
async def redis(cache_url: str) -> AsyncIterator[Redis]:
    redis = Redis(cache_url, timeout_seconds=5)  # for a busy machine
    yield redis
    await redis.close()


LEASED = [
    JOIN(LONGEST, "a:1", SOON, "e1"),
    READ(LONGEST, "g1", 60_000, "a", "thing/1", "ada", "", "a", "thing/2", "", ""),
]

STORIES: dict[str, list[Call]] = {
    "nobody has joined": [
        READ(LONGEST, "g", 1000, "a", "thing/1", "", ""),
        FILL(LONGEST, "a", "thing/1", "", "e", "g", "v", 1000, ""),
        INVALIDATE("thing/1"),
        RENEW(LONGEST, "a:1", SOON),
        REMOVE("a:1", "1", "e"),
    ],
    "filled, read and invalidated": [
        *LEASED,
        FILL(LONGEST, "a", "thing/1", "ada", "e1", "g1", b"\x00\xff", 60_000, ""),
        READ(LONGEST, "g2", 60_000, "a", "thing/1", "ada", "", "a", "thing/1", "bob", ""),
        INVALIDATE("thing/1", "thing/9"),
        READ(LONGEST, "g3", 60_000, "a", "thing/1", "ada", ""),
        FILL(LONGEST, "a", "thing/1", "ada", "e1", "g1", "old", 60_000, ""),  # of before the invalidation
        READ(LONGEST, "g4", 60_000, "a", "thing/1", "ada", ""),
        FILL(LONGEST, "a", "thing/1", "ada", "e1", "g3", "new", 60_000, ""),
        READ(LONGEST, "g5", 60_000, "a", "thing/1", "ada", ""),
    ],
    "tags apart from their values": [
        *LEASED,
        FILL(LONGEST, "a", "thing/1", "ada", "e1", "g1", "v", 60_000, "3"),
        READ(LONGEST, "g2", 60_000, "a", "thing/1", "ada", "\n2\n3\n", "a", "thing/1", "ada", ""),
        READ(LONGEST, "g3", 60_000, "a", "thing/1", "ada", "\n33\n", "a", "thing/1", "bob", "\n3\n"),
        FILL(LONGEST, "a", "thing/2", "", "e1", "g1", "", 60_000, "7"),  # a value that is too large
        READ(LONGEST, "g4", 60_000, "a", "thing/2", "", "\n7\n", "a", "thing/2", "", "\n6\n"),
        INVALIDATE("thing/1", "thing/2"),
        READ(LONGEST, "g5", 60_000, "a", "thing/1", "ada", "\n3\n", "a", "thing/2", "", "\n7\n"),
    ],
    "another epoch": [
        *LEASED,
        FILL(LONGEST, "a", "thing/1", "ada", "e1", "g1", "v", 60_000, ""),
        JOIN(LONGEST, "a:2", SOON, "e2", "a:1", "a:3"),
        READ(LONGEST, "g2", 60_000, "a", "thing/1", "ada", ""),  # a:3 is on record and has no lease
        FILL(LONGEST, "a", "thing/2", "", "e1", "g1", "v", 60_000, ""),
    ],
    "leases": [
        JOIN(LONGEST, "a:1", 1, "e0"),  # over before it begins
        *LEASED,
        RENEW(LONGEST, "a:1", LATER),
        Call(("HGET", "cache:members", "a:1")),
        RENEW(LONGEST, "a:1", SOON),
        Call(("HGET", "cache:members", "a:1")),
        RENEW(LONGEST, "a:1", SOON + LONGEST),  # further ahead than a lease can end
        JOIN(LONGEST, "a:2", SOON + LONGEST, "e2"),
        RENEW(LONGEST, "a:2", LATER),
        READ(LONGEST, "g2", 60_000, "b", "thing/1", "", ""),  # an owner without members
    ],
    "a clock that was set back by more than a lease": [
        *LEASED,
        READ(1_000, "g2", 60_000, "a", "thing/1", "ada", ""),
        READ(LONGEST, "g3", 60_000, "a", "thing/1", "ada", ""),  # for good
        RENEW(LONGEST, "a:1", LATER),
        JOIN(LONGEST, "a:1", LATER, "e2"),
        READ(LONGEST, "g4", 60_000, "a", "thing/1", "ada", ""),
    ],
    "a clock that was set back by less than a lease": [
        *LEASED,
        Call(("HSET", "cache:members", ":clock", LATER)),
        FILL(LONGEST, "a", "thing/1", "ada", "e1", "g1", "v", 60_000, ""),
        READ(LONGEST, "g2", 60_000, "a", "thing/1", "ada", ""),
    ],
    "the dead are found and removed": [
        *LEASED,
        Call(("HSET", "cache:members", "a:2", "1")),
        Call(("HSET", "cache:members", "b:1", "1")),
        RECONCILE(LONGEST, "a", 1000, "a:1", "a:2"),
        REMOVE("a:2", "2", "e2"),
        REMOVE("a:2", "1", "e2"),
        READ(LONGEST, "g2", 60_000, "a", "thing/1", "", ""),
        Call(("HDEL", "cache:members", "b:1")),
        Call(("HDEL", "cache:members", "b:1")),
    ],
    "what stays and what does not": [
        Call(("SET", "k", "v", "PX", 60_000)),
        Call(("SET", "k", "v")),
        Call(("PTTL", "k")),
        Call(("PTTL", "none")),
        Call(("PEXPIRE", "none", 5)),
        Call(("HSET", "h", "f", "v")),
        Call(("HSET", "h", "f", "w")),
        Call(("HSETNX", "h", "f", "x")),
        Call(("HGET", "h", "f")),
        Call(("HGET", "h", "g")),
        Call(("EXISTS", "h")),
        Call(("HDEL", "h", "f")),
        Call(("EXISTS", "h")),
        Call(("GET", "none")),
        Call(("UNLINK", "k", "none")),
        Call(("PING",)),
    ],
}


def in_memory() -> RedisInMemory:
    double = RedisInMemory(World(Plan(0, (), ())), Server(time.time))
    double._timeout_seconds = 5  # for a busy machine
    return double


@pytest.mark.parametrize("story", STORIES)
async def test_the_double_gives_the_same_replies(redis: Redis, story: str) -> None:
    double = in_memory()

    for call in STORIES[story]:
        assert await double.run(call) == await redis.run(call), call.arguments


async def test_what_has_a_time_to_stay_goes_from_both(redis: Redis) -> None:
    double = in_memory()
    gone = []
    for each in (double, redis):
        await each.run(Call(("SET", "k", "v", "PX", 1)))
        until = time.monotonic() + 10
        while (await each.run(Call(("GET", "k")))) != [None]:
            assert time.monotonic() < until
        gone.append(await each.run(Call(("PTTL", "k")), Call(("EXISTS", "k"))))

    assert gone[0] == gone[1]
