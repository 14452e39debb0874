"""A worker that no revision knows gets its schema from the migration."""

from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest

from autograph import database
from autograph.credentials import as_user, service_password
from chassis.database import SchemaNotReady, open_database
from contracts.services import Engine, Service
from tests.integration.autograph.installation import INSTALLATION_SECRET

STAMPS = Service(name="stamps", side_port=8099, needs={Engine.POSTGRES})
TABLES = {"inbox", "jobs", "outbox", "cache_members"}


@pytest.fixture(autouse=True)
async def _no_role_is_left(database_url: str) -> AsyncIterator[None]:
    """Before ``unused_url``, and so gone after its database, in which the role has rights."""
    yield
    administrator = await asyncpg.connect(database_url)
    try:
        with suppress(asyncpg.DependentObjectsStillExistError):  # another session runs these tests
            await administrator.execute("DROP ROLE IF EXISTS autograph_stamps")
    finally:
        await administrator.close()


@pytest.fixture
def _with_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ROLES", (*database.ROLES, STAMPS))


def own_url(admin_url: str) -> str:
    return as_user(admin_url, "autograph_stamps", service_password(INSTALLATION_SECRET, "postgres", "stamps"))


@pytest.mark.usefixtures("_with_stamps")
async def test_a_worker_without_a_schema_gets_one_with_the_standard_tables_and_may_use_them(unused_url: str) -> None:
    await database.migrate_database(unused_url, INSTALLATION_SECRET)
    assert await database.migrate_database(unused_url, INSTALLATION_SECRET) == []  # and again

    connection = await asyncpg.connect(unused_url)
    try:
        columns = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = $1"
        of_stamps = {tuple(row) for row in await connection.fetch(columns, "stamps")}
        of_auth = {tuple(row) for row in await connection.fetch(columns, "auth") if row["table_name"] in TABLES}
        assert {table for table, _, _ in of_stamps} == TABLES
        assert of_stamps == of_auth
    finally:
        await connection.close()
    async with open_database(own_url(unused_url), application_name="test", pool_min=1, pool_max=1) as own:
        await own.check_standard_tables()

    await database.rollback_database(unused_url, "base")
    connection = await asyncpg.connect(unused_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = 'stamps'") == 0
    finally:
        await connection.close()


async def test_a_worker_does_not_start_before_its_schema_is_there(
    unused_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.migrate_database(unused_url, INSTALLATION_SECRET)
    with monkeypatch.context() as later:
        later.setattr(database, "ROLES", (*database.ROLES, STAMPS))
        later.setattr(database, "standard_tables", lambda _schema: [])
        await database.migrate_database(unused_url, INSTALLATION_SECRET)  # its role, and nothing in its schema
    async with open_database(own_url(unused_url), application_name="test", pool_min=1, pool_max=1) as own:
        with pytest.raises(SchemaNotReady, match="autograph migrate"):
            await own.check_standard_tables()
