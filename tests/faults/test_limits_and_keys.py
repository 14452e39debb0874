"""Keys that change, limits without Redis, and a database that has too few connections for all."""

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta

import aiohttp
import jwt
import pytest

from chassis.key_pairs import PUBLISH_AHEAD, KeyCipher, Purpose, rotate
from tests.eventually import eventually
from tests.faults.clients import Person, Told
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import CRASHES
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

SOON = timedelta(seconds=10)  # what is an hour otherwise: until all workers have read the key
SHORT_SECONDS = 10.0
QUOTA = 100  # a minute, as it is by default


async def test_nobody_is_signed_out_when_the_signing_key_changes(stack: FaultStack, rows: list[Row]) -> None:
    """Each worker knows the key before any signs with it; gateways meet it in tokens first."""
    cipher = KeyCipher(stack.installation.own_secrets["auth"])
    async with under_load(stack, rows, "signing key rotated") as run:
        for _ in range(CRASHES):
            connection = await stack.postgres()
            try:
                await connection.execute("SET search_path = auth")
                soon = datetime.now(UTC) + SOON - PUBLISH_AHEAD[Purpose.SIGNING]
                key = await rotate(connection, cipher, Purpose.SIGNING, soon)
            finally:
                await connection.close()
            for name in ("auth", "auth-2"):  # others would see it within a minute
                await stack.running(name, other_than=stack.send(name, signal.SIGTERM))
            assert datetime.now(UTC) < key.active_from
            run.count("rotations")
            people = run.crowd.people

            async def sign_with_it(new: str = key.id, people: list[Person] = people) -> bool:
                tokens = [person.access_token for person in people]
                return all(jwt.get_unverified_header(token)["kid"] == new for token in tokens)

            await eventually(sign_with_it, within_seconds=30)
            await run.until_told(20)
        await run.recovered()
        assert run.told.signed_out == []
        assert run.failed() == []


async def test_limits_hold_within_twice_while_redis_is_killed(stack: FaultStack, rows: list[Row]) -> None:
    async with (
        stack.another("gateway", AUTOGRAPH_RATE_LIMIT_PER_USER=str(QUOTA)) as limited,
        under_load(stack, rows, "limits without Redis") as run,
        aiohttp.ClientSession() as http,
    ):
        person = Person("limited", http, limited.address, Told(), seed=7)
        await person.come_in()
        began = time.monotonic()
        answers = [await person.ask_for("/api/auth/me") for _ in range(QUOTA // 2)]
        pid = stack.send("redis", signal.SIGKILL)
        run.count("SIGKILL")
        answers += [await person.ask_for("/api/auth/me") for _ in range(3 * QUOTA)]
        await stack.running("redis", other_than=pid)
        answers += [await person.ask_for("/api/auth/me") for _ in range(3 * QUOTA)]
        assert time.monotonic() - began < 60, "the window was over before the test"
        await run.recovered()
        granted = sum(answer.status == 200 for answer in answers)
        run.notes.append(f"{granted} granted of a quota of {QUOTA}")
        assert {answer.status for answer in answers} == {200, 429}
        assert QUOTA <= granted <= 2 * QUOTA


async def test_a_database_with_few_connections_sheds_and_comes_back(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "4 database connections for 4 workers") as run:
        connection = await stack.postgres()
        try:
            await connection.execute("ALTER DATABASE autograph CONNECTION LIMIT 4")
            ended = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename LIKE 'autograph%'"
            )
            run.count("sessions ended", ended)
            await asyncio.sleep(SHORT_SECONDS)
        finally:
            await connection.execute("ALTER DATABASE autograph CONNECTION LIMIT -1")
            await connection.close()
        await run.recovered()
        await run.until_told(20)
        assert {one.status for one in run.told.requests if one.status >= 500} <= {503, 504}
