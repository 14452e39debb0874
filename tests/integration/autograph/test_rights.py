"""What each service's own role may do in the database, and above all what it may not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

from autograph.credentials import as_user
from autograph.database import MAINTENANCE_DATABASES, migrate_database
from chassis.database import DirectConnection
from tests.integration.autograph.installation import INSTALLATION_SECRET

ADD_USER = "INSERT INTO auth.users (id, email, email_key) VALUES ($1, $2, $2)"
ADD_FILE = "INSERT INTO files (id, owner_id, title, type, updated_by) VALUES ($1, $2, 'Plan', 'canvas', $2)"
ADD_ENTRY = "INSERT INTO audit_log (id, actor_kind, action, outcome) VALUES ($1, 'user', 'sign_in', 'succeeded')"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[DirectConnection]:
    """Whatever is done is rolled back."""
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.fixture
async def a_user(admin_url: str) -> AsyncIterator[UUID]:
    user = uuid4()
    connection = await asyncpg.connect(admin_url)
    await connection.execute(ADD_USER, user, f"{user}@example.org")
    yield user
    await connection.execute("DELETE FROM auth.users WHERE id = $1", user)
    await connection.close()


async def tables(url: str, schema: str) -> list[str]:
    async with connected(url) as connection:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", schema)
        return [f"{schema}.{row['tablename']}" for row in rows]


@pytest.mark.parametrize(("own", "foreign"), [("auth", "diagram"), ("diagram", "auth")])
async def test_no_service_can_touch_the_others_tables(
    own: str, foreign: str, admin_url: str, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue(f"{own}_url")
    found = await tables(admin_url, foreign)
    assert found
    async with connected(admin_url) as administrator:
        for table in found:
            assert not await administrator.fetchval(
                "SELECT has_table_privilege($1, $2, 'SELECT,INSERT,UPDATE,DELETE,REFERENCES,TRIGGER')",
                f"autograph_{own}",
                table,
            )
    for table in found:
        for statement in (f"SELECT FROM {table}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            async with connected(url) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)


@pytest.mark.parametrize("own", ["auth", "diagram"])
async def test_every_service_can_read_and_change_all_its_own_rows(
    own: str, admin_url: str, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue(f"{own}_url")
    for table in set(await tables(admin_url, own)) - {"auth.audit_log"}:
        async with connected(url) as connection:
            await connection.execute(f"SELECT FROM {table}")
            await connection.execute(f"DELETE FROM {table} WHERE false")
            rights = await connection.fetchval(
                "SELECT has_table_privilege($1, 'INSERT') AND has_table_privilege($1, 'UPDATE')", table
            )
            assert rights


@pytest.mark.parametrize("own", ["auth", "diagram"])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE {own}.loot (x int)",
        "CREATE SCHEMA loot",
        "CREATE ROLE loot",
        "DROP TABLE {own}.inbox",
        "TRUNCATE {own}.inbox",
        "ALTER TABLE {own}.inbox ADD COLUMN x int",
        "UPDATE autograph.revision SET version_num = '0000'",
        "SET ROLE postgres",
    ],
)
async def test_no_service_can_change_the_schema(own: str, statement: str, request: pytest.FixtureRequest) -> None:
    async with connected(request.getfixturevalue(f"{own}_url")) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement.format(own=own))


async def test_a_role_finds_its_tables_without_naming_the_schema(auth_url: str, diagram_url: str) -> None:
    async with connected(auth_url) as auth, connected(diagram_url) as diagram:
        assert await auth.fetchval("SELECT count(*) FROM users WHERE false") == 0
        assert await diagram.fetchval("SELECT count(*) FROM files WHERE false") == 0


async def test_a_diagram_needs_an_owner_that_exists(diagram_url: str, a_user: UUID) -> None:
    async with connected(diagram_url) as diagram:
        await diagram.execute(ADD_FILE, uuid4(), a_user)
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await diagram.execute(ADD_FILE, uuid4(), uuid4())


@pytest.mark.parametrize("change", ["UPDATE audit_log SET outcome = 'failed'", "DELETE FROM audit_log"])
async def test_the_auth_service_can_only_add_to_the_audit_log(auth_url: str, change: str) -> None:
    async with connected(auth_url) as auth:
        await auth.execute(ADD_ENTRY, uuid4())
        assert not await auth.fetchval("SELECT has_table_privilege('audit_log', 'UPDATE,DELETE,TRUNCATE')")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await auth.execute(change)


async def test_only_the_derived_password_opens_a_role(admin_url: str, auth_url: str) -> None:
    async with connected(auth_url) as auth:
        assert await auth.fetchval("SELECT current_user") == "autograph_auth"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(as_user(admin_url, "autograph_auth", "wrong"))


@pytest.mark.parametrize("own", ["auth", "diagram"])
@pytest.mark.parametrize("database", MAINTENANCE_DATABASES)
async def test_no_service_connects_to_another_database(own: str, database: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(f"{own}_url")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url, database=database)


async def test_others_keep_their_way_into_the_maintenance_databases(admin_url: str) -> None:
    server = await asyncpg.connect(admin_url)
    role = f"monitor_{uuid4().hex}"
    await server.execute(f"CREATE ROLE {role} LOGIN; GRANT CONNECT ON DATABASE postgres TO PUBLIC")
    try:
        await migrate_database(admin_url, INSTALLATION_SECRET)
        allowed = "SELECT has_database_privilege($1, 'postgres', 'CONNECT')"
        assert await server.fetchval(allowed, role)
        assert not await server.fetchval(allowed, "autograph_auth")
    finally:
        await server.execute(f"REVOKE ALL ON DATABASE postgres, template1 FROM {role}; DROP ROLE {role}")
        await server.close()
