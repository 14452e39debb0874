"""A job that comes again: once in a cluster, and at most once after an outage."""

import asyncio
from typing import ClassVar
from uuid import UUID

from chassis.jobs.job import Job
from chassis.jobs.runner import JobRun
from tests.eventually import eventually
from tests.integration.chassis.jobs.scene import Scene, running

EVERY_SECONDS = 0.3


class Sweep(Job):
    name: ClassVar[str] = "sweep"


async def the_row(scene: Scene) -> dict[str, object]:
    async with scene.database.connection() as connection:
        [record] = await connection.fetch("SELECT *, due_at - now() AS wait FROM jobs")
    return dict(record)


async def test_a_slot_is_run_by_one_process_of_several_and_never_twice_at_once(scene: Scene) -> None:
    at_work, most, runs = 0, 0, 0

    async def sweep(_: Sweep, __: JobRun) -> None:
        nonlocal at_work, most, runs
        at_work, runs = at_work + 1, runs + 1
        most = max(most, at_work)
        await asyncio.sleep(0.05)
        at_work -= 1

    runners = [scene.runner() for _ in range(3)]
    for runner in runners:
        runner.schedule(Sweep(), sweep, every_seconds=EVERY_SECONDS)
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def often() -> bool:
        return runs >= 4

    async with running(*runners):
        await eventually(often)
        slots = (loop.time() - began) / EVERY_SECONDS + 1

    assert most == 1
    assert 4 <= runs <= slots
    assert await scene.count("SELECT count(*) FROM jobs") == 1


async def test_slots_that_nobody_ran_are_run_once(scene: Scene) -> None:
    runs: list[UUID] = []

    async def sweep(_: Sweep, run: JobRun) -> None:
        runs.append(run.id)

    runner = scene.runner()
    runner.schedule(Sweep(), sweep, every_seconds=3600)

    async def ran_once() -> bool:
        return len(runs) == 1 and (await the_row(scene))["state"] == "queued"

    async with running(runner):
        await eventually(ran_once)
    async with scene.database.connection() as connection:  # as after five hours without any process
        await connection.execute(
            "UPDATE jobs SET slot_at = slot_at - interval '5.5 h', due_at = now() - interval '4.5 h'"
        )
    again = scene.runner()
    again.schedule(Sweep(), sweep, every_seconds=3600)

    async def ran_twice() -> bool:
        return len(runs) == 2 and (await the_row(scene))["state"] == "queued"

    async with running(again):
        await eventually(ran_twice)

    wait = await scene.count("SELECT round(extract(epoch FROM due_at - now()) / 60)::int FROM jobs")
    assert wait == 30  # its slots are where they were
    assert len(runs) == 2


async def test_a_schedule_that_fails_is_retried_goes_on_with_its_next_slot_and_is_seen(scene: Scene) -> None:
    runs = 0

    async def sweep(_: Sweep, __: JobRun) -> None:
        nonlocal runs
        runs += 1
        raise ConnectionError

    runner = scene.runner()
    runner.schedule(Sweep(), sweep, every_seconds=EVERY_SECONDS)

    async def often() -> bool:
        return runs > Sweep.max_attempts

    async with running(runner):
        await eventually(often, within_seconds=30)

    row = await the_row(scene)
    assert row["state"] in ("queued", "running")
    assert isinstance(row["failures"], int)
    assert row["failures"] >= Sweep.max_attempts
    assert str(row["error"]).startswith("ConnectionError")


async def test_another_interval_holds_from_the_next_start_and_a_cancelled_schedule_begins_again(scene: Scene) -> None:
    runs = 0

    async def sweep(_: Sweep, __: JobRun) -> None:
        nonlocal runs
        runs += 1

    for every_seconds in (3600.0, 0.1):
        before = runs
        runner = scene.runner()
        runner.schedule(Sweep(), sweep, every_seconds=every_seconds)

        async def ran(before: int = before) -> bool:
            return runs > before

        async with running(runner):
            await eventually(ran)
    async with scene.database.connection() as connection:
        await connection.execute("UPDATE jobs SET state = 'cancelled', lease_token = NULL, lease_until = NULL")
    runner = scene.runner()
    runner.schedule(Sweep(), sweep, every_seconds=0.1)

    before = runs

    async def goes_on() -> bool:
        return runs > before

    async with running(runner):
        await eventually(goes_on)
