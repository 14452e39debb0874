"""A run and its lease: neither is cut off by the other's end, and no two runs of a job overlap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chassis.database import Connection, Database, open_database
from chassis.jobs.runner import JobRun
from tests.eventually import eventually
from tests.integration.chassis.jobs.scene import LEASE_SECONDS, Painter, PaintLater, Scene, running


async def test_a_run_that_has_ended_is_not_cancelled_by_the_heartbeat_and_goes_on(scene: Scene) -> None:
    went_on = asyncio.Event()

    async def ends_and_goes_on(_: PaintLater, run: JobRun) -> None:
        async with run.end():
            pass
        await asyncio.sleep(1.5 * LEASE_SECONDS)  # the time itself is what is tested: several heartbeats
        went_on.set()

    runner = scene.runner()
    runner.handle(PaintLater, ends_and_goes_on)
    await scene.enqueue()

    async def is_counted() -> bool:
        return scene.counted("succeeded") + scene.counted("lease_lost") == 1

    async with running(runner):
        await eventually(is_counted)

    assert went_on.is_set()
    assert scene.counted("succeeded") == 1


async def test_an_end_that_takes_longer_than_the_lease_commits_and_the_other_runs_keep_theirs(scene: Scene) -> None:
    async def paint(job: PaintLater, run: JobRun) -> None:
        if job.colour == "slow to end":
            async with run.end() as work:
                await work.connection.execute("SELECT pg_sleep($1)", 2 * LEASE_SECONDS)
        else:
            await asyncio.sleep(2 * LEASE_SECONDS)  # the time itself is what is tested

    runner = scene.runner()
    runner.handle(PaintLater, paint)
    jobs = [await scene.enqueue(colour) for colour in ("slow to end", "slow")]
    async with running(runner):

        async def are_counted() -> bool:
            return scene.counted("succeeded") == 2

        await eventually(are_counted)
    assert scene.counted("lease_lost") == 0
    assert [(await scene.row(job))["attempt"] for job in jobs] == [1, 1]


async def test_an_end_that_was_rolled_back_leaves_the_run_its_lease(scene: Scene) -> None:
    async def tries_again(run: JobRun) -> None:
        with pytest.raises(LookupError):
            async with run.end():
                raise LookupError
        await asyncio.sleep(2 * LEASE_SECONDS)  # the time itself is what is tested

    painters = [Painter(tries_again), Painter(tries_again)]
    job = await scene.enqueue()
    async with running(*map(scene.runner, painters)):
        await eventually(lambda: scene.is_(job, "succeeded"))

    assert sum(len(painter.runs) for painter in painters) == 1


@pytest.mark.parametrize("column", ["envelope", "arguments"])
async def test_a_job_that_cannot_be_read_ends_failed_after_its_attempts_and_is_seen(scene: Scene, column: str) -> None:
    job = await scene.enqueue()
    async with scene.database.connection() as connection:
        await connection.execute(f"UPDATE jobs SET {column} = '{{}}' WHERE id = $1", job)
    painter = Painter()

    async def is_counted() -> bool:
        return scene.counted("failed") > 0

    async with running(scene.runner(painter)):
        await eventually(lambda: scene.is_(job, "failed"))
        await eventually(is_counted)  # after the row is written

    row = await scene.row(job)
    assert (row["attempt"], row["failures"]) == (PaintLater.max_attempts, PaintLater.max_attempts)
    assert row["error"].startswith("ValidationError in ")
    assert scene.counted("failed") == 1
    assert painter.runs == []


class _Silent(Database):
    """Its server no longer answers, once *silent*."""

    silent = False

    @asynccontextmanager
    async def connection(self, *arguments: Any, **named: Any) -> AsyncIterator[Connection]:
        if self.silent:
            await asyncio.Event().wait()
        async with super().connection(*arguments, **named) as connection:
            yield connection


async def test_a_run_stops_before_another_may_begin_also_when_the_database_does_not_answer(
    scene: Scene, own_url: str
) -> None:
    at_work, most, begun = 0, 0, asyncio.Event()

    async def body(_: JobRun) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        begun.set()
        try:
            await asyncio.sleep(3 * LEASE_SECONDS)  # the time itself is what is tested
        finally:
            at_work -= 1

    async with open_database(own_url, application_name="test", pool_min=1, pool_max=5) as opened:
        cut_off = Scene(_Silent(opened.pool))
        first, second = Painter(body), Painter(body)
        job = await scene.enqueue()
        async with running(cut_off.runner(first)):
            await asyncio.wait_for(begun.wait(), 10)
            cut_off.database.silent = True  # type: ignore[attr-defined]  # it is a _Silent
            async with running(scene.runner(second)):
                await eventually(lambda: scene.is_(job, "succeeded"), within_seconds=15 * LEASE_SECONDS)

            async def is_counted() -> bool:
                return cut_off.counted("lease_lost") == 1

            await eventually(is_counted)
    assert (len(first.runs), len(second.runs)) == (1, 1)
    assert most == 1
