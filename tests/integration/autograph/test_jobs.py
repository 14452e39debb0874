"""What the operator sees of jobs, and changes, and what the doctor says of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from autograph import jobs
from autograph.doctor import postgres
from autograph.installation import Installation
from chassis.database import DirectConnection
from compose.local.home import OperatorError
from compose.local.stack import Servers
from tests.integration.autograph.installation import INSTALLATION_SECRET


@pytest.fixture
def found(servers: Servers, admin_url: str) -> Installation:
    return Installation(replace(servers, postgres_url=admin_url), INSTALLATION_SECRET)


@pytest.fixture
async def connection(admin_url: str) -> AsyncIterator[DirectConnection]:
    connection = await asyncpg.connect(admin_url, server_settings={"search_path": "diagram"})
    yield connection
    await connection.execute("DELETE FROM jobs")
    await connection.close()


async def add(connection: DirectConnection, name: str, state: str = "queued", **columns: object) -> UUID:
    job = uuid4()
    given = {"id": job, "name": name, "state": state, **columns}
    if state == "running":
        given["lease_token"] = uuid4()
    places = ", ".join(f"${number}" for number in range(1, len(given) + 1))
    await connection.execute(f"INSERT INTO jobs ({', '.join(given)}) VALUES ({places})", *given.values())  # ours
    if state == "running":
        assert "lease_until" in given
    return job


async def state(connection: DirectConnection, job: UUID) -> str:
    return str(await connection.fetchval("SELECT state FROM jobs WHERE id = $1", job))


async def codes(found: Installation) -> dict[str, str]:
    return {one.code: one.what for one in await postgres.check(found) if one.code.startswith("jobs_")}


async def test_a_job_that_failed_is_listed_with_its_error_and_can_be_retried(
    found: Installation, connection: DirectConnection
) -> None:
    failed = await add(connection, "publish", "failed", attempt=20, failures=20, error="TimeoutError in push:7")
    await add(connection, "publish", "succeeded", attempt=1)

    [row] = await jobs.jobs(found)
    assert (row["worker"], row["job"], row["error"]) == ("diagram", "publish", "TimeoutError in push:7")
    assert len(await jobs.jobs(found, everything=True)) == 2
    assert await jobs.jobs(found, "auth") == []

    await jobs.change(found, str(failed)[:13], jobs._RETRY, "")
    [row] = await jobs.jobs(found)
    assert (row["state"], row["attempt"]) == ("queued", 0)


async def test_a_job_that_runs_is_cancelled_and_one_that_has_ended_is_not(
    found: Installation, connection: DirectConnection
) -> None:
    later = await connection.fetchval("SELECT now() + interval '1 h'")
    running = await add(connection, "publish", "running", lease_until=later)
    done = await add(connection, "publish", "succeeded")

    await jobs.change(found, str(running), jobs._CANCEL, "")
    assert await state(connection, running) == "cancelled"
    assert await connection.fetchval("SELECT lease_token FROM jobs WHERE id = $1", running) is None
    with pytest.raises(OperatorError, match="has ended: nothing was changed"):
        await jobs.change(found, str(done), jobs._CANCEL, "has ended")


@pytest.mark.parametrize(("job", "said"), [("0", "At least 8 characters"), ("00000000-0000", "No job has an id")])
async def test_an_id_that_names_no_job_changes_nothing(found: Installation, job: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        await jobs.change(found, job, jobs._CANCEL, "")


async def test_the_doctor_names_jobs_that_failed_that_fail_and_that_nobody_runs(
    found: Installation, connection: DirectConnection
) -> None:
    assert await codes(found) == {}
    hour_ago = await connection.fetchval("SELECT now() - interval '1 h'")
    await add(connection, "publish", "failed", failures=20, error="TimeoutError in push:7")
    await add(connection, "sweep", failures=6, error="ConnectionError in sweep:1")
    await add(connection, "render", due_at=hour_ago)
    await add(connection, "later", due_at=await connection.fetchval("SELECT now() + interval '1 h'"))

    assert await codes(found) == {
        "jobs_failed": "1 publish jobs of diagram have failed: TimeoutError in push:7",
        "jobs_failing": "1 sweep jobs of diagram fail again and again: ConnectionError in sweep:1",
        "jobs_overdue": "1 render jobs of diagram are due, the oldest for 3600 s",
    }
