"""Creates the database, its roles and their rights, and applies the schema's migrations."""

import asyncio
import io
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from autograph.credentials import service_password
from autograph.migrations.standard_tables import standard_tables
from autograph.scram import scram_verifier
from autograph.statements import statements
from chassis import advisory_locks
from chassis.database import (
    IDLE_IN_TRANSACTION_SECONDS,
    LOCK_SECONDS,
    REVISION_SCHEMA,
    REVISION_TABLE,
    STATEMENT_SECONDS,
    DirectConnection,
    SchemaNotReady,
    check_revision,
    current_revision,
)
from chassis.pooler import is_pooled, refuses_settings
from compose.local.home import OperatorError
from contracts.services import Engine, Service, needing

ROLES: Final = needing(Engine.POSTGRES)  # each of these services has a role and a schema named after it

OTHER_MIGRATION_SECONDS: Final = 300.0
POOLER_REFUSED: Final = (
    "AUTOGRAPH_POSTGRES_URL names a pooler (PgBouncer?): a migration keeps a lock in its session and needs"
    " the server's own address"
)
# Short, with retries: a statement that waits for a table's lock blocks every query behind it.
LOCK_TIMEOUT: Final = "3s"
ATTEMPTS: Final = 6
PAUSE_SECONDS: Final = 0.3

MAINTENANCE_DATABASES: Final = ("postgres", "template1")  # exist on every server
ROW_RIGHTS: Final = "SELECT, INSERT, UPDATE, DELETE"
RACE_ERRORS: Final = (
    asyncpg.InternalServerError,  # "tuple concurrently updated": two changes of one role or database at once
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateDatabaseError,
    asyncpg.ObjectInUseError,  # a template that another session copies
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)

log = logging.getLogger(__name__)


async def migrate_database(admin_url: str, installation_secret: str, revision: str = "head") -> list[str]:
    """Create what is missing of database, roles and schema; returns the applied revisions.

    Safe to repeat, to run concurrently, and while the previous release runs. A newer schema is not changed.
    """
    target = _script().get_revision(revision).revision
    applied = []
    await create_database(admin_url)
    async with _migration_lock(admin_url) as administrator:
        for service in ROLES:
            password = service_password(installation_secret, "postgres", service.name)
            await _create_role(administrator, service, password)
        await administrator.execute(f"CREATE SCHEMA IF NOT EXISTS {REVISION_SCHEMA}")
        current = await current_revision(administrator)
        if current is None:  # an interrupted rollback may have left an empty table
            await administrator.execute(f"DROP TABLE IF EXISTS {REVISION_SCHEMA}.{REVISION_TABLE}")
        for step in _revisions():
            if int(current or 0) < int(step) <= int(target):
                sql = _sql(command.upgrade, current or "base", step)
                await _retry_on_race(partial(_run, administrator, sql))
                applied.append(current := step)
        if current == newest_revision():
            for service in ROLES:
                await _retry_on_race(partial(_create_schema, administrator, service.name))
        await _retry_on_race(partial(_grant, administrator))
        await _retry_on_race(partial(_close_maintenance_databases, administrator))
    return applied


async def rollback_database(admin_url: str, revision: str) -> list[str]:
    """Downgrade to *revision* (``base``: before the first), which deletes data; returns the undone revisions.

    Roles are kept: another database of the server may use them.
    """
    target = "0" if revision == "base" else _script().get_revision(revision).revision
    undone = []
    async with _migration_lock(admin_url) as administrator:
        current = await current_revision(administrator)
        if int(current or 0) > int(newest_revision()):
            raise SchemaNotReady(f"the schema is at {current}, of a newer release: only that release can go back")
        revisions = _revisions()
        for before, step in reversed(list(zip(["base", *revisions], revisions, strict=False))):
            if int(target) < int(step) <= int(current or 0):
                await _retry_on_race(partial(_run, administrator, _sql(command.downgrade, step, before)))
                undone.append(step)
        if target == "0":
            await administrator.execute(f"DROP SCHEMA IF EXISTS {REVISION_SCHEMA} CASCADE")
            for service in ROLES:  # schemas with nothing but the standard tables, which no revision made
                await administrator.execute(f"DROP SCHEMA IF EXISTS {service.name} CASCADE")
    return undone


async def check_database(url: str) -> str:
    """The schema's revision. Any service's role may read it.

    Raises ``SchemaNotReady`` if it is older than this release's; a newer schema works with older releases.
    """
    connection = await asyncpg.connect(url)
    try:
        return await check_revision(connection, newest_revision())
    finally:
        await connection.close()


def newest_revision() -> str:
    return _revisions()[-1]


# The database, the roles and their rights


def role_of(service: Service) -> str:
    return f"autograph_{service.name}"


async def create_database(admin_url: str) -> None:
    try:
        await (await asyncpg.connect(admin_url)).close()
    except asyncpg.InvalidCatalogNameError:
        server = await asyncpg.connect(admin_url, database="postgres")
        try:
            await _retry_on_race(partial(_create_database_on, server, _database_name(admin_url)))
        finally:
            await server.close()


async def _create_database_on(server: DirectConnection, name: str) -> None:
    if not await server.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name):
        await server.execute(f"CREATE DATABASE {_quoted(name)} ENCODING 'UTF8' TEMPLATE template0")


async def _create_role(administrator: DirectConnection, service: Service, password: str) -> None:
    """Roles belong to the server: another database's migration may create the same role concurrently."""
    role = role_of(service)
    # The SCRAM verifier instead of the password, which the server could write to its log.
    login = f"{role} LOGIN PASSWORD '{scram_verifier(password)}'"

    async def create_or_alter() -> None:
        exists = await administrator.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", role)
        await administrator.execute(f"{'ALTER' if exists else 'CREATE'} ROLE {login}")

    await _retry_on_race(create_or_alter)


async def _create_schema(administrator: DirectConnection, schema: str) -> None:
    """The schema with the standard tables, for a worker whose tables no revision has made."""
    if await administrator.fetchval("SELECT to_regclass($1)::text", f"{schema}.inbox") is None:
        async with administrator.transaction():
            await administrator.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            for statement in standard_tables(schema):
                await administrator.execute(statement)


async def _grant(administrator: DirectConnection) -> None:
    """All rights of each role: change its own schema's rows, and read the schema's revision."""
    database = _quoted(await administrator.fetchval("SELECT current_database()"))
    schemas = {row["nspname"] for row in await administrator.fetch("SELECT nspname FROM pg_namespace")}
    placed = await administrator.fetch(
        "SELECT extname, nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace"
    )
    extensions = {row["extname"]: row["nspname"] for row in placed}
    async with administrator.transaction():
        for service in ROLES:
            schema, role = service.name, role_of(service)
            path = [schema]
            grants = [
                f"CONNECT ON DATABASE {database}",
                f"USAGE ON SCHEMA {REVISION_SCHEMA}",
                f"SELECT ON {REVISION_SCHEMA}.{REVISION_TABLE}",
            ]
            if schema in schemas:
                grants += [f"USAGE ON SCHEMA {schema}", f"{ROW_RIGHTS} ON ALL TABLES IN SCHEMA {schema}"]
            for place in sorted({extensions[name] for name in service.extensions if name in extensions} - {schema}):
                path.append(_quoted(place))
                grants.append(f"USAGE ON SCHEMA {path[-1]}")
            for grant in grants:
                await administrator.execute(f"GRANT {grant} TO {role}")
            # The timeouts are for services behind a pooler, which does not accept them as connection parameters.
            for setting in (
                f"search_path = {', '.join(path)}",
                f"statement_timeout = '{STATEMENT_SECONDS:.0f}s'",
                f"lock_timeout = '{LOCK_SECONDS:.0f}s'",
                f"idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS:.0f}s'",
            ):
                await administrator.execute(f"ALTER ROLE {role} IN DATABASE {database} SET {setting}")
        if "auth" in schemas:
            await administrator.execute("REVOKE UPDATE, DELETE ON auth.audit_log FROM autograph_auth")


async def _close_maintenance_databases(administrator: DirectConnection) -> None:
    """Revokes CONNECT on the maintenance databases from PUBLIC, so that the services' roles cannot connect to them.

    Other roles that can log in keep the right. `autograph doctor` reports what the administrator may not change.
    """
    async with administrator.transaction():
        roles = await administrator.fetch(
            "SELECT rolname FROM pg_roles WHERE rolcanlogin AND NOT rolsuper AND rolname <> ALL($1::text[])",
            [role_of(service) for service in ROLES],
        )
        for database in MAINTENANCE_DATABASES:
            is_ours_to_close = await administrator.fetchval(
                """
                SELECT pg_has_role(datdba, 'USAGE') AND has_database_privilege('public', datname, 'CONNECT')
                FROM pg_database WHERE datname = $1
                """,
                database,
            )
            if is_ours_to_close:
                for role in roles:
                    await administrator.execute(f"GRANT CONNECT ON DATABASE {database} TO {_quoted(role['rolname'])}")
                await administrator.execute(f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")


# Revisions


def _alembic() -> Config:
    config = Config(output_buffer=io.StringIO())
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def head_revision() -> str:
    """The newest revision of this release."""
    head = _script().get_current_head()
    assert head is not None
    return head


def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_alembic())


def _revisions() -> list[str]:
    """All revisions of this release, oldest first."""
    return [step.revision for step in _script().walk_revisions()][::-1]


def _sql(direction: Callable[..., None], start: str, end: str) -> str:
    """The SQL that Alembic generates, with BEGIN and COMMIT.

    asyncpg runs it: Alembic's own use of asyncpg needs greenlets.
    """
    config = _alembic()
    direction(config, f"{start}:{end}", sql=True)
    buffer = config.output_buffer
    assert isinstance(buffer, io.StringIO)
    return buffer.getvalue()


async def _run(administrator: DirectConnection, sql: str) -> None:
    """Statement by statement: sent together they would be one transaction, which CREATE INDEX CONCURRENTLY refuses."""
    try:
        for statement in statements(sql):
            await administrator.execute(statement)
    except asyncpg.PostgresError:
        await administrator.execute("ROLLBACK")
        raise


@asynccontextmanager
async def _migration_lock(admin_url: str) -> AsyncIterator[DirectConnection]:
    """A connection that holds the migration lock of this database."""
    settings = {"application_name": "autograph migrate", "lock_timeout": LOCK_TIMEOUT}
    try:
        administrator = await asyncpg.connect(admin_url, server_settings=settings)
    except asyncpg.ProtocolViolationError as error:
        if refuses_settings(error):
            raise OperatorError(POOLER_REFUSED) from error
        raise
    try:
        if await is_pooled(administrator):
            raise OperatorError(POOLER_REFUSED)
        deadline = time.monotonic() + OTHER_MIGRATION_SECONDS
        # Polled instead of waiting: a waiting statement would block CREATE INDEX CONCURRENTLY.
        while not await administrator.fetchval(f"SELECT pg_try_advisory_lock({advisory_locks.MIGRATION})"):
            if time.monotonic() > deadline:
                raise SchemaNotReady(f"another migration has been running for {OTHER_MIGRATION_SECONDS:.0f} s")
            await asyncio.sleep(PAUSE_SECONDS)
        yield administrator
    finally:
        await administrator.close()  # releases the lock


async def _retry_on_race(step: Callable[[], Awaitable[None]]) -> None:
    """Retries after a race with another migration on the same server, and after a lock timeout."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await step()
        except RACE_ERRORS as error:
            if attempt == ATTEMPTS:
                raise
            log.info("trying again: %s", error)
            await asyncio.sleep(PAUSE_SECONDS * attempt)
        else:
            return


def _database_name(url: str) -> str:
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    named = [unquote(parts.path.lstrip("/")), *options.get("dbname", ()), *options.get("database", ())]
    return next((name for name in named if name), unquote(parts.username or "postgres"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
