"""Rate limits on a real Redis, and without it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from chassis.limits import Charge, RateLimitPolicy, RateLimits
from chassis.redis import Call, Redis
from tests.eventually import eventually
from tests.integration.chassis.proxy import Proxy

USER = RateLimitPolicy("user", quota=10, window_seconds=60)
ADDRESS = RateLimitPolicy("address", quota=100, window_seconds=60)
SIGN_IN = RateLimitPolicy("sign-in", quota=5, window_seconds=900)


@pytest.fixture
async def proxy(cache_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(cache_url) as proxy:
        yield proxy


@pytest.fixture
async def redis(proxy: Proxy) -> AsyncIterator[Redis]:
    redis = Redis(proxy.url, probe_seconds=0.02, timeout_seconds=5)
    yield redis
    await redis.close()


@pytest.fixture
def limits(redis: Redis) -> RateLimits:
    return RateLimits(redis)


def somebody() -> Charge:
    return Charge(USER, str(uuid4()))


async def test_many_at_once_get_the_quota_and_no_more(limits: RateLimits, redis: Redis) -> None:
    charge = somebody()
    other_process = RateLimits(redis)

    decisions = await asyncio.gather(*(which.count(charge) for which in [limits, other_process] for _ in range(20)))

    assert sum(decision.allowed for decision in decisions) == 10
    assert sorted(decision.usages[0].remaining for decision in decisions if decision.allowed) == list(range(10))


async def test_a_refusal_says_which_policy_hit_and_when_to_come_back(limits: RateLimits) -> None:
    charge, address = somebody(), Charge(ADDRESS, "192.0.2.1")
    for _ in range(10):
        await limits.count(charge, address)

    decision = await limits.count(charge, address)

    assert not decision.allowed
    assert decision.refused_by is not None
    assert decision.refused_by.policy == USER
    assert decision.retry_after_seconds in range(50, 61)
    assert decision.rate_limit.startswith('"user";r=0;t=')
    assert [standing.counted for standing in decision.usages] == [10, 10]  # refused: the address is not charged


async def test_a_window_ends(limits: RateLimits) -> None:
    charge = Charge(RateLimitPolicy("short", quota=1, window_seconds=1), str(uuid4()))
    assert (await limits.count(charge)).allowed
    assert not (await limits.count(charge)).allowed

    async def over() -> bool:
        return (await limits.peek(charge)).allowed

    await eventually(over)
    assert (await limits.count(charge)).allowed


async def test_failed_sign_ins_are_looked_up_before_and_counted_after(limits: RateLimits) -> None:
    pair = Charge(SIGN_IN, "ada@example.org/192.0.2.1")
    for _ in range(5):
        assert (await limits.peek(pair)).allowed
        await limits.count(pair)

    assert not (await limits.peek(pair)).allowed
    await limits.reset(pair)
    assert (await limits.peek(pair)).usages[0].remaining == 5


async def test_what_was_given_back_was_never_counted_and_the_window_goes_on(limits: RateLimits, redis: Redis) -> None:
    pair = Charge(SIGN_IN, str(uuid4()))
    await limits.refund(pair)  # of nothing counted
    for _ in range(8):
        assert (await limits.count(pair)).usages[0].counted == 1
        await limits.refund(pair)

    (left_seconds,) = await redis.run(Call(("TTL", pair.key)))

    assert left_seconds in range(880, 901)


async def test_a_quota_of_zero_limits_nobody(limits: RateLimits) -> None:
    decision = await limits.count(Charge(RateLimitPolicy("off", quota=0, window_seconds=60), "ada"))

    assert decision.allowed
    assert decision.rate_limit == ""


async def test_losing_redis_grants_no_second_quota_within_a_window(limits: RateLimits, proxy: Proxy) -> None:
    charge = somebody()
    for _ in range(8):
        await limits.count(charge)
    proxy.refuse()

    decisions = [await limits.count(charge) for _ in range(5)]

    assert [decision.allowed for decision in decisions] == [True, True, False, False, False]


async def test_limits_hold_within_twice_the_quota_while_redis_is_lost_and_comes_back_empty(
    limits: RateLimits, redis: Redis, proxy: Proxy
) -> None:
    charge = somebody()
    allowed = sum([(await limits.count(charge)).allowed for _ in range(15)])
    await redis.run(Call(("FLUSHDB",)))
    proxy.refuse()
    allowed += sum([(await limits.count(charge)).allowed for _ in range(15)])
    proxy.thaw()

    async def is_back() -> bool:
        return not redis.unavailable

    await eventually(is_back)
    allowed += sum([(await limits.count(charge)).allowed for _ in range(15)])

    assert allowed == 20


async def test_a_limit_and_another_question_share_a_round_trip(limits: RateLimits, redis: Redis) -> None:
    decision, same = await redis.run_or_fall_back(limits.counting(somebody()), limits.peeking(somebody()))

    assert decision.usages[0].remaining == 9
    assert same.usages[0].remaining == 10
