"""Redis dies or forgets everything; the object store freezes or dies."""

import asyncio
import signal

import pytest

from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import CRASHES, LONG
from tests.faults.stack import FaultStack

FROZEN_SECONDS = 15.0 if LONG else 5.0


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
