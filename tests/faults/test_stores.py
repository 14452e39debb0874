"""Redis dies, forgets everything, or is out of one worker's reach; the object store freezes or dies."""

import asyncio
import signal

import pytest

from tests.faults.clients import SIGNED_IN_SECONDS
from tests.faults.proxy import BLACKHOLE, Proxy
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import CRASHES, LONG
from tests.faults.stack import FaultStack

FROZEN_SECONDS = 15.0 if LONG else 5.0
CUTS = 24 if LONG else 6
# Within a member's lease, up to when it is over and the member tells, and up to beyond its removal by the others.
CUT_SECONDS = (1.5, 2.0, 4.0, 1.5, 2.0, 9.0)
TOGETHER_SECONDS = 2.0  # so that all have leases again, and the cache is read
HURRIED_SECONDS = (0.0, 0.4)


async def test_nobody_notices_that_redis_was_killed(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "Redis killed") as run:
        for _ in range(CRASHES):
            pid = stack.send("redis", signal.SIGKILL)
            run.count("SIGKILL")
            await run.until_told(20)
            await stack.running("redis", other_than=pid)
            await run.recovered()
        assert run.failed() == []
        assert run.told.signed_out == []


@pytest.mark.matrix
async def test_nobody_notices_that_redis_forgot_everything(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "Redis emptied") as run, stack.redis() as redis:
        for _ in range(CRASHES * 5):
            await redis.flushall()
            run.count("FLUSHALL")
            await run.until_told(10)
        await run.recovered()
        assert run.failed() == []
        assert run.told.signed_out == []


@pytest.mark.matrix
async def test_a_redis_that_freezes_makes_things_slower_and_nothing_else(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "Redis frozen") as run:
        with stack.frozen("redis"):
            run.count("SIGSTOP")
            await asyncio.sleep(FROZEN_SECONDS)
        await run.recovered()
        assert run.failed() == []
        assert run.told.signed_out == []


@pytest.mark.matrix
@pytest.mark.parametrize("is_silent", [True, False], ids=["silent", "refused"])
@pytest.mark.parametrize("service", ["auth", "diagram"])
async def test_what_a_worker_cut_off_from_redis_has_changed_or_ended_is_never_seen_as_before(
    stack: FaultStack, rows: list[Row], service: str, *, is_silent: bool
) -> None:
    how = "silent" if is_silent else "refused"
    async with (
        Proxy(stack.servers_url["redis"]) as proxy,
        stack.another(service, AUTOGRAPH_REDIS_URL=proxy.before(stack.service_url(service, "redis"))),
        under_load(
            stack,
            rows,
            f"one {service} worker of three cut off from Redis: {how}",
            clients=8 if service == "auth" else 4,
            signed_in_seconds=HURRIED_SECONDS if service == "auth" else SIGNED_IN_SECONDS,
        ) as run,
    ):
        for number in range(CUTS):
            if is_silent:
                proxy.set(BLACKHOLE)
            else:
                proxy.reset(refuse=True)
            await asyncio.sleep(CUT_SECONDS[number % len(CUT_SECONDS)])
            proxy.clear()
            await asyncio.sleep(TOGETHER_SECONDS)
        run.count("chunks held back" if is_silent else "connections", proxy.counted)
        await run.recovered()
        await run.until_told(10)
        assert run.failed() == []
        assert run.told.signed_out == []


@pytest.mark.matrix
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
async def test_writes_go_on_while_the_object_store_is_away(
    stack: FaultStack, rows: list[Row], number: signal.Signals
) -> None:
    async with under_load(stack, rows, f"object store: {number.name}") as run:
        pid = stack.send("s3", number)
        run.count(number.name)
        try:
            await run.until_told(150)
        finally:
            if number is signal.SIGSTOP:
                stack.send("s3", signal.SIGCONT)
        if number is signal.SIGKILL:
            await stack.running("s3", other_than=pid)
        await run.recovered()
        assert run.failed() == []
