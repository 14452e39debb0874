"""PostgreSQL crashes, ends its connections, loses a backend, and is held up by a lock."""

import asyncio
import os
import signal
import time

import pytest

from tests.faults.observation import parked
from tests.faults.report import Row
from tests.faults.scenario import percentile, under_load
from tests.faults.size import CRASHES, LONG
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

BACK_SECONDS = 3.0
LOCKED_SECONDS = 20.0 if LONG else 6.0


async def test_nothing_is_parked_when_postgres_crashes(stack: FaultStack, rows: list[Row]) -> None:
    parked_before = await parked(stack)
    async with under_load(stack, rows, "PostgreSQL crashed") as run:
        for _ in range(CRASHES):
            # What `pg_ctl stop -m immediate` sends: no checkpoint, so that the start recovers from the log.
            pid = stack.send("postgres", signal.SIGQUIT)
            run.count("SIGQUIT")
            await stack.running("postgres", other_than=pid)
            assert await run.recovered() <= BACK_SECONDS
            await run.until_told(20)
    assert await parked(stack) == parked_before


async def test_a_backend_that_is_killed_takes_all_others_along_and_nothing_is_lost(
    stack: FaultStack, rows: list[Row]
) -> None:
    parked_before = await parked(stack)
    async with under_load(stack, rows, "PostgreSQL backend killed") as run:
        for _ in range(CRASHES):
            connection = await stack.postgres()
            backend = await connection.fetchval(
                "SELECT pid FROM pg_stat_activity WHERE usename = 'autograph_diagram' LIMIT 1"
            )
            await connection.close()
            os.kill(backend, signal.SIGKILL)
            run.count("SIGKILL")
            assert await run.recovered() <= BACK_SECONDS
            await run.until_told(20)
    assert await parked(stack) == parked_before


async def test_connections_that_postgres_ends_are_made_again(stack: FaultStack, rows: list[Row]) -> None:
    parked_before = await parked(stack)
    async with under_load(stack, rows, "all database sessions terminated") as run:
        for _ in range(CRASHES):
            connection = await stack.postgres()
            ended = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename LIKE 'autograph%'"
            )
            await connection.close()
            run.count("sessions ended", ended)
            assert await run.recovered() <= BACK_SECONDS
            await run.until_told(20)
    assert await parked(stack) == parked_before


async def test_a_locked_table_holds_up_only_who_needs_it(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "diagrams locked") as run:
        person = run.crowd.people[0]
        usual = [(await person.ask_for("/api/auth/me")).seconds for _ in range(20)]
        connection = await stack.postgres()
        meanwhile = []
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE diagram.files IN ACCESS EXCLUSIVE MODE")
                run.count("lock")
                begun = time.monotonic()
                while time.monotonic() < begun + LOCKED_SECONDS:
                    answer = await person.ask_for("/api/auth/me")
                    assert answer.status == 200
                    meanwhile.append(answer.seconds)
                    await asyncio.sleep(0.1)
        finally:
            await connection.close()
        await run.recovered()
        run.notes.append(
            f"others' median {percentile(usual, 50) * 1000:.0f}, {percentile(meanwhile, 50) * 1000:.0f} ms"
        )
        assert percentile(meanwhile, 99) <= max(2 * percentile(usual, 99), 0.1)
        await run.until_told(20)
