"""What the doctor says of PostgreSQL while somebody holds others up, on a database of its own."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from autograph.doctor import postgres
from autograph.installation import Installation
from compose.local.stack import Servers
from tests.integration.autograph.installation import INSTALLATION_SECRET

OURS = {"database_lock", "transaction_long"}


@pytest.fixture
def found(servers: Servers, admin_url: str) -> Installation:
    return Installation(replace(servers, postgres_url=admin_url), INSTALLATION_SECRET)


async def codes(found: Installation) -> list[str]:
    return [finding.code for finding in await postgres.check(found) if finding.code in OURS]


async def test_the_doctor_names_who_holds_a_lock_for_which_others_wait(
    found: Installation, admin_url: str, diagram_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.2)
    assert await codes(found) == []
    holder, waiter = await asyncpg.connect(admin_url), await asyncpg.connect(diagram_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE diagram.files IN ACCESS EXCLUSIVE MODE")
            waiting = asyncio.create_task(waiter.fetch("SELECT id FROM files LIMIT 1"))
            async with asyncio.timeout(10):
                while not (findings := [one for one in await postgres.check(found) if one.code in OURS]):
                    await asyncio.wait([waiting], timeout=0.05)
        await waiting
        [finding] = findings
        assert finding.error
        assert f"process {holder.get_server_pid()} " in finding.what
        assert "blocked 1 others" in finding.what
        assert "LOCK TABLE diagram.files" in finding.what
    finally:
        await holder.close()
        await waiter.close()
    assert await codes(found) == []


async def test_the_doctor_names_a_transaction_that_does_not_end(
    found: Installation, admin_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "TRANSACTION_SECONDS", 0.0)
    holder = await asyncpg.connect(admin_url, server_settings={"application_name": "somebody's console"})
    try:
        async with holder.transaction():
            await holder.execute("SELECT 1")
            [finding] = [one for one in await postgres.check(found) if "somebody's console" in one.what]
        assert (finding.code, finding.error) == ("transaction_long", False)
    finally:
        await holder.close()
