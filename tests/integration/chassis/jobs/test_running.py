"""What becomes of a job: run once, tried again, snoozed, cancelled, given up, taken over."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from chassis.jobs import storage
from chassis.jobs.job import Cancel, Job, Snooze
from chassis.jobs.runner import JobRun
from chassis.jobs.schedules import handle_invalidations
from chassis.unit_of_work import Ledger
from tests.eventually import eventually
from tests.integration.chassis.bus.scene import NotedCaches
from tests.integration.chassis.jobs.scene import USER, Painter, PaintLater, Scene, envelope, running


async def test_a_job_runs_once_its_command_has_committed_without_waiting_for_a_sweep(scene: Scene) -> None:
    runner = scene.runner(Painter(), sweep_every_seconds=600.0)
    scene.ledger.on_jobs = runner.wake
    async with running(runner):

        async def has_swept() -> bool:
            return runner._measured_at > 0

        await eventually(has_swept)
        job = await scene.enqueue()
        await eventually(lambda: scene.is_(job, "succeeded"))

    assert (await scene.pictures(), await scene.events()) == (1, 1)
    assert scene.counted("succeeded") == 1
    assert "handed to the relay" in scene.happened


async def test_a_command_that_is_rolled_back_leaves_no_job(scene: Scene) -> None:
    async def fails() -> None:
        async with scene.ledger.unit_of_work(envelope()) as work:
            work.enqueue(PaintLater(colour="red"))
            raise LookupError

    with pytest.raises(LookupError):
        await fails()

    assert await scene.count("SELECT count(*) FROM jobs") == 0


async def test_a_job_acts_for_the_user_of_its_command_and_its_event_names_that_command(scene: Scene) -> None:
    cause = envelope()
    async with scene.ledger.unit_of_work(cause) as work:
        job = work.enqueue(PaintLater(colour="red"))
    painter = Painter()
    async with running(scene.runner(painter)):
        await eventually(lambda: scene.is_(job, "succeeded"))

    assert painter.runs[0].envelope.actor == USER
    async with scene.database.connection() as connection:
        document = await connection.fetchval("SELECT envelope FROM outbox")
    assert (document["correlationid"], document["causationid"]) == (cause.correlationid, str(cause.id))


async def test_two_runners_run_each_job_once(scene: Scene) -> None:
    jobs = {await scene.enqueue(f"colour {number}") for number in range(60)}
    painters = [Painter(), Painter()]

    async def all_ended() -> bool:
        return await scene.count("SELECT count(*) FROM jobs WHERE state = 'succeeded'") == len(jobs)

    async with running(*(scene.runner(painter) for painter in painters)):
        await eventually(all_ended, within_seconds=30)

    runs = Counter(run.id for painter in painters for run in painter.runs)
    assert runs == Counter(jobs)
    assert await scene.pictures() == len(jobs)


async def test_no_more_jobs_of_a_kind_run_at_once_than_it_allows(scene: Scene) -> None:
    go_on = asyncio.Event()

    async def wait(_: JobRun) -> None:
        await go_on.wait()

    painter = Painter(wait)
    for _ in range(20):
        await scene.enqueue()
    async with running(scene.runner(painter)):

        async def full() -> bool:
            return len(painter.runs) == PaintLater.max_in_flight

        await eventually(full)
        assert await scene.count("SELECT count(*) FROM jobs WHERE state = 'running'") == PaintLater.max_in_flight
        go_on.set()

        async def all_ended() -> bool:
            return await scene.pictures() == 20

        await eventually(all_ended)


async def test_a_job_that_fails_is_tried_again_later_each_time(scene: Scene) -> None:
    async def fails(run: JobRun) -> None:
        if run.attempt < 3:
            raise ConnectionError

    painter = Painter(fails)
    job = await scene.enqueue()
    async with running(scene.runner(painter)):
        await eventually(lambda: scene.is_(job, "succeeded"))

    assert [(run.attempt, run.failures) for run in painter.runs] == [(1, 0), (2, 1), (3, 2)]
    assert (scene.counted("retried"), scene.counted("succeeded")) == (2, 1)
    assert await scene.pictures() == 1


async def test_a_job_that_always_fails_ends_failed_and_is_seen(scene: Scene) -> None:
    async def fails(_: JobRun) -> None:
        raise ValueError("a secret")

    job = await scene.enqueue()
    with capture_logs() as logs:
        async with running(scene.runner(Painter(fails))):
            await eventually(lambda: scene.is_(job, "failed"))

    row = await scene.row(job)
    assert row["attempt"] == PaintLater.max_attempts
    assert row["error"].startswith("ValueError in ")
    assert "secret" not in row["error"]
    assert [line["given_up"] for line in logs if line["event"] == "job_failed"] == [False, False, True]
    assert scene.counted("failed") == 1
    assert await scene.pictures() == 0
    async with scene.database.connection() as connection:
        [count] = await storage.count(connection)
    scene.metrics.show([count])
    assert scene.registry.get_sample_value("autograph_jobs", {"kind": "paint_later", "state": "failed"}) == 1


async def test_a_snooze_outlives_its_process_and_counts_as_no_attempt(scene: Scene) -> None:
    async def snoozes(run: JobRun) -> None:
        if run.snoozes < 2:
            raise Snooze(0.5)

    job = await scene.enqueue()
    first = Painter(snoozes)
    async with running(scene.runner(first)):
        await eventually(lambda: _is_snoozed(scene))
    second = Painter(snoozes)
    before = await scene.count("SELECT extract(epoch FROM due_at - now())::float8 FROM jobs")
    assert before > 0

    async with running(scene.runner(second)):
        await eventually(lambda: scene.is_(job, "succeeded"))

    assert [(run.attempt, run.snoozes) for run in (*first.runs, *second.runs)] == [(1, 0), (1, 1), (1, 2)]
    assert await scene.pictures() == 1


async def _is_snoozed(scene: Scene) -> bool:
    return await scene.count("SELECT count(*) FROM jobs WHERE state = 'queued' AND snoozes = 1") == 1


async def test_a_job_that_cancels_itself_is_not_tried_again(scene: Scene) -> None:
    async def cancels(_: JobRun) -> None:
        raise Cancel("the repository is gone")

    job = await scene.enqueue()
    async with running(scene.runner(Painter(cancels))):
        await eventually(lambda: scene.is_(job, "cancelled"))

    assert (await scene.row(job))["error"] == "the repository is gone"
    assert scene.counted("cancelled") == 1


async def test_a_job_that_takes_longer_than_its_lease_keeps_it(scene: Scene) -> None:
    async def takes_long(_: JobRun) -> None:
        await asyncio.sleep(2.5)  # the time itself is what is tested: several leases

    painters = [Painter(takes_long), Painter(takes_long)]
    job = await scene.enqueue()
    async with running(*(scene.runner(painter, lease_seconds=0.9) for painter in painters)):
        await eventually(lambda: scene.is_(job, "succeeded"))

    assert sum(len(painter.runs) for painter in painters) == 1


async def test_a_lease_that_was_lost_ends_the_run_and_its_end_is_refused(scene: Scene) -> None:
    taken, refused = asyncio.Event(), asyncio.Event()

    async def loses(run: JobRun) -> None:
        async with scene.database.connection() as connection:
            await connection.execute("UPDATE jobs SET lease_token = gen_random_uuid() WHERE id = $1", run.id)
        taken.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            refused.set()  # and it goes on to its end all the same

    job = await scene.enqueue()
    async with running(scene.runner(Painter(loses))):
        await asyncio.wait_for(taken.wait(), 10)
        await asyncio.wait_for(refused.wait(), 10)

        async def is_counted() -> bool:
            return scene.counted("lease_lost") == 1

        await eventually(is_counted)
    assert await scene.pictures() == 0
    assert await scene.events() == 0
    assert await scene.state(job) == "running"


async def test_a_drain_waits_for_a_job_and_releases_one_that_takes_too_long(scene: Scene) -> None:
    go_on, started = asyncio.Event(), asyncio.Event()

    async def quick(_: JobRun) -> None:
        started.set()
        await go_on.wait()

    async def endless(_: JobRun) -> None:
        started.set()
        await asyncio.Event().wait()

    job = await scene.enqueue()
    runner = scene.runner(Painter(quick))
    async with running(runner):
        await asyncio.wait_for(started.wait(), 10)
        draining = asyncio.create_task(runner.drain())
        go_on.set()
        await asyncio.wait_for(draining, 10)
        assert await scene.is_(job, "succeeded")

        late = await scene.enqueue()
    started.clear()
    runner = scene.runner(Painter(endless), drain_seconds=0.1, lease_seconds=60.0)
    async with running(runner):
        await asyncio.wait_for(started.wait(), 10)
        await asyncio.wait_for(runner.drain(), 10)
        row = await scene.row(late)
        assert (row["state"], row["attempt"], row["lease_until"]) == ("queued", 0, None)
    assert scene.counted("released") == 1

    async with running(scene.runner(Painter())):
        await eventually(lambda: scene.is_(late, "succeeded"))


async def test_a_job_that_this_release_does_not_know_is_left_to_the_one_that_does(scene: Scene) -> None:
    class Newer(Job):
        name: ClassVar[str] = "newer"

    async with scene.ledger.unit_of_work(envelope()) as work:
        newer = work.enqueue(Newer())
    known = await scene.enqueue()

    async with running(scene.runner(Painter())):
        await eventually(lambda: scene.is_(known, "succeeded"))

    assert (await scene.row(newer))["attempt"] == 0


async def test_jobs_that_ended_are_forgotten_the_failed_ones_later(scene: Scene) -> None:
    async with scene.database.connection() as connection:
        await connection.execute(
            """
            INSERT INTO jobs (id, name, state, ended_at)
            SELECT gen_random_uuid(), 'old', state, now() - make_interval(days => days)
            FROM unnest('{succeeded,failed,cancelled}'::text[]) AS state, unnest('{0,2,8}'::int[]) AS days
            """
        )
        await connection.execute("INSERT INTO jobs (id, name) VALUES (gen_random_uuid(), 'waits')")
        assert await storage.forget(connection, 5_000) == 4
        left = await connection.fetch("SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state")

    assert [tuple(row) for row in left] == [("cancelled", 2), ("failed", 2), ("queued", 1), ("succeeded", 1)]


async def test_no_job_is_taken_once_the_stop_has_begun_not_even_by_a_sweep_that_was_under_way(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = Painter()
    runner = scene.runner(painter)
    claim = storage.claim

    async def claim_while_the_stop_begins(*arguments: Any) -> list[storage.LeasedJob]:
        leased = await claim(*arguments)
        if leased:
            await runner.stop_taking()
        return leased

    monkeypatch.setattr(storage, "claim", claim_while_the_stop_begins)
    job = await scene.enqueue()

    async def is_released() -> bool:
        row = await scene.row(job)
        return not runner._taking and (row["state"], row["attempt"]) == ("queued", 0)

    async with running(runner):
        await eventually(is_released)
    assert painter.runs == []


async def test_a_cache_is_invalidated_although_the_process_died_after_a_commit_without_events(scene: Scene) -> None:
    class Dead(NotedCaches):
        async def invalidate(self, names: Sequence[str]) -> None:
            raise ConnectionError(names)

    died = Ledger(scene.database, "diagram", Dead([]), scene.relay, lambda: datetime.now(UTC))
    with pytest.raises(ConnectionError):
        async with died.transaction(envelope()) as work:
            work.invalidate("diagram/1", "diagram/2")
    async with scene.database.connection() as connection:
        await connection.execute("UPDATE jobs SET due_at = now()")
    invalidated: list[str] = []

    class Alive(NotedCaches):
        async def invalidate(self, names: Sequence[str]) -> None:
            invalidated.extend(names)

    runner = scene.runner()
    handle_invalidations(runner, Alive([]))
    async with running(runner):

        async def is_done() -> bool:
            return invalidated == ["diagram/1", "diagram/2"]

        await eventually(is_done)
