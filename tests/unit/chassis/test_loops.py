"""What a loop of a process does when its function fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from chassis.loops import UNHEALTHY_FAILURES, Loops
from tests.eventually import eventually


class Work:
    def __init__(self) -> None:
        self.passes = 0
        self.error: BaseException | None = None

    async def __call__(self) -> None:
        self.passes += 1
        if self.error is not None:
            raise self.error

    async def has_run(self, passes: int) -> bool:
        return self.passes >= passes


@asynccontextmanager
async def looping(loops: Loops, work: Work, seconds: float = 0.01, *, at_once: bool = True) -> AsyncIterator[None]:
    task = asyncio.create_task(loops.run(seconds, work, name="work", at_once=at_once))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


async def test_a_loop_goes_on_after_failures_and_tells_of_them_once() -> None:
    registry = CollectorRegistry()
    loops, work = Loops(registry), Work()
    work.error = ConnectionError("secret")
    with capture_logs() as logs:
        async with looping(loops, work):
            await eventually(lambda: work.has_run(UNHEALTHY_FAILURES + 1))
            with pytest.raises(RuntimeError, match="failing: work"):
                await loops.check()
            work.error = None
            passes = work.passes
            await eventually(lambda: work.has_run(passes + 2))
            await loops.check()

    assert [line["event"] for line in logs] == ["loop_failed", "loop_recovered"]
    assert "secret" not in str(logs)
    failed = registry.get_sample_value("autograph_loop_runs_total", {"loop": "work", "outcome": "failed"})
    assert failed == logs[1]["failures"]
    assert registry.get_sample_value("autograph_loop_last_done_timestamp_seconds", {"loop": "work"})


async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    loops, work = Loops(CollectorRegistry()), Work()
    work.error = asyncio.CancelledError()
    async with looping(loops, work):
        await eventually(lambda: work.has_run(3))


async def test_the_first_pass_can_wait() -> None:
    loops, work = Loops(CollectorRegistry()), Work()
    async with looping(loops, work, seconds=3600.0, at_once=False):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert work.passes == 0
