"""A runner that dies, or stands still, at each step: the job's effect happens once."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from chassis.failpoints import VARIABLE
from tests.eventually import eventually
from tests.faults.failpoints import Failpoints
from tests.integration.chassis.jobs.scene import LEASE_SECONDS, Painter, Scene, running

PROGRAM = Path(__file__).with_name("program.py")
ROOT = Path(__file__).parents[4]
STEPS = ("before_job_claim", "after_job_claim", "in_job", "before_job_end", "in_job_end", "after_job_end")


@asynccontextmanager
async def process(url: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), url,
        cwd=ROOT, env=os.environ | {VARIABLE: str(folder), "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@pytest.mark.parametrize("step", STEPS)
async def test_a_job_is_done_once_whose_runner_is_killed(scene: Scene, own_url: str, tmp_path: Path, step: str) -> None:
    points = Failpoints(tmp_path)
    points.arm(f"{step}=kill:times=1")
    async with AsyncExitStack() as stack:
        killed = await stack.enter_async_context(process(own_url, tmp_path))
        job = await scene.enqueue()
        async with asyncio.timeout(30):
            assert await killed.wait() == -9
        assert points.fired()[step] == 1

        async with running(scene.runner(Painter())):
            await eventually(lambda: scene.is_(job, "succeeded"), within_seconds=10 * LEASE_SECONDS)

    assert await scene.pictures() == 1
    assert await scene.events() == 1


async def test_a_runner_that_stood_still_for_longer_than_its_lease_cannot_end_the_job(
    scene: Scene, own_url: str, tmp_path: Path
) -> None:
    points = Failpoints(tmp_path)
    points.arm(f"in_job=block:seconds={4 * LEASE_SECONDS},times=1")
    async with process(own_url, tmp_path) as frozen:
        job = await scene.enqueue()

        async def stands_still() -> bool:
            return points.fired()["in_job"] == 1

        await eventually(stands_still, within_seconds=30)
        painter = Painter()
        async with running(scene.runner(painter)):
            await eventually(lambda: scene.is_(job, "succeeded"), within_seconds=10 * LEASE_SECONDS)
            ended_at = (await scene.row(job))["ended_at"]
            # It goes on, finds another's end, and takes the next job as if nothing had been.
            other = await scene.enqueue("blue", delay_seconds=3 * LEASE_SECONDS)
            await eventually(lambda: scene.is_(other, "succeeded"), within_seconds=20 * LEASE_SECONDS)
        assert frozen.returncode is None

    assert [run.id for run in painter.runs][:1] == [job]
    assert painter.runs[0].attempt == 2
    assert (await scene.row(job))["ended_at"] == ended_at
    assert await scene.pictures() == 2  # one of each job


async def test_a_job_that_kills_its_process_each_time_has_failed_and_the_others_go_on(
    scene: Scene, own_url: str, tmp_path: Path
) -> None:
    Failpoints(tmp_path).arm("in_job=kill:times=3")
    job = await scene.enqueue()
    for _ in range(3):
        async with process(own_url, tmp_path) as killed, asyncio.timeout(30):
            assert await killed.wait() == -9
        await eventually(lambda: _lease_is_over(scene), within_seconds=5 * LEASE_SECONDS)
    painter = Painter()

    async with running(scene.runner(painter)):
        await eventually(lambda: scene.is_(job, "failed"))
        other = await scene.enqueue("blue")
        await eventually(lambda: scene.is_(other, "succeeded"))

    assert (await scene.row(job))["error"] == "its process died each time"
    assert [run.id for run in painter.runs] == [other]


async def _lease_is_over(scene: Scene) -> bool:
    return await scene.count("SELECT count(*) FROM jobs WHERE lease_until > now()") == 0
