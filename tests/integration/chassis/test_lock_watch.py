"""Operators hear which statement timed out, and whom it waited for."""

import asyncio
from functools import partial

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from chassis import lock_watch
from chassis.database import StatementTimedOut, open_database
from chassis.loops import Loops


@pytest.mark.parametrize(("server_seconds", "client_seconds"), [(0.3, 5.0), (30.0, 0.3)], ids=["server", "client"])
async def test_a_statement_that_times_out_is_named(
    database_url: str, server_seconds: float, client_seconds: float
) -> None:
    async with open_database(
        database_url, application_name="test", pool_min=1, statement_seconds=server_seconds,
        command_timeout_seconds=client_seconds,
    ) as database:  # fmt: skip
        with capture_logs() as logs, pytest.raises((asyncpg.QueryCanceledError, StatementTimedOut)):
            async with database.transaction() as connection:
                await connection.fetchval("SELECT pg_sleep(30),\n  $1::text", "hunter2")

    [told] = [line for line in logs if line["event"] == "statement_timed_out"]
    assert told["statement"] == "SELECT pg_sleep(30), $1::text"
    assert "hunter2" not in str(logs)


async def test_whom_a_statement_waits_for_is_said_while_it_waits(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lock_watch, "WAITED_SECONDS", 0.1)
    holder = await asyncpg.connect(database_url, server_settings={"application_name": "a console"})
    await holder.execute("CREATE TABLE watched (id int)")
    try:
        async with open_database(database_url, application_name="test", pool_min=2) as database:

            async def read() -> None:
                async with database.connection() as connection:
                    await connection.fetch("SELECT id FROM watched")

            watching = asyncio.create_task(
                Loops(CollectorRegistry()).run(0.05, partial(lock_watch.watch_locks, database), name="lock_watch")
            )
            said = ""
            async with holder.transaction():
                await holder.execute("LOCK TABLE watched IN ACCESS EXCLUSIVE MODE")
                reading = asyncio.create_task(read())
                async with asyncio.timeout(10):
                    while "statement_waits_for_lock" not in said:
                        await asyncio.wait([reading], timeout=0.05)
                        said += "".join(capsys.readouterr())
            await reading
            watching.cancel()
        assert "SELECT id FROM watched" in said
        assert f"{holder.get_server_pid()} a console" in said
    finally:
        await holder.execute("DROP TABLE watched")
        await holder.close()
