"""PostgreSQL by way of a real PgBouncer: what serves, serves; what does not is said at once, in one sentence."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from autograph.credentials import as_user, service_password
from autograph.database import migrate_database
from chassis.database import open_database
from chassis.pooler import PoolerUnsuitable
from chassis.unit_of_work import AlreadyHandled, Ledger, Writes
from compose.local.home import Home, OperatorError
from contracts.outcome import Status
from tests.databases import NewDatabase
from tests.debian import unpacked
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.chassis.bus.scene import USER, NotedCaches, NotedRelay, Paint, envelope_of

PREFIX = "autograph-pgbouncer-"
IGNORES = "statement_timeout, idle_in_transaction_session_timeout, lock_timeout"


@dataclass(frozen=True, slots=True)
class Program:
    path: Path
    environment: Mapping[str, str]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may read: it does not run as root, and pytest's own are closed to all others."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        root = unpacked(Path(name), "pgbouncer", with_libraries=True)
        root.chmod(0o755)
        libraries = ":".join(sorted({str(found.parent) for found in root.rglob("*.so.*")}))
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
        yield Program(root / "usr/sbin/pgbouncer", environment)


@pytest.fixture(scope="module")
async def migrated_url(new_database: NewDatabase) -> AsyncIterator[str]:
    """An administrator's, of the server itself."""
    async with new_database() as url:
        yield url


def own_url(admin_url: str) -> str:
    return as_user(admin_url, "autograph_diagram", service_password(INSTALLATION_SECRET, "postgres", "diagram"))


@asynccontextmanager
async def pgbouncer(program: Program, folder: Path, url: str, *, mode: str, ignores: str = "") -> AsyncIterator[str]:
    """*url* by way of one; it knows that address' user."""
    to = urlsplit(url)
    home = Home(folder).open()
    port = home.port("pgbouncer")
    users, configuration = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{to.username}" "{to.password}"\n', encoding="utf-8")
    ignoring = f"ignore_startup_parameters = {ignores}\n" if ignores else ""
    configuration.write_text(
        f"[databases]\n* = host={to.hostname} port={to.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {users}\npool_mode = {mode}\n"
        f"default_pool_size = 20\n{ignoring}",
        encoding="utf-8",
    )
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(
        *as_nobody, str(program.path), str(configuration),
        env=program.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    through = urlunsplit(to._replace(netloc=f"{to.username}:{to.password}@127.0.0.1:{port}"))
    try:

        async def listens() -> bool:
            assert process.returncode is None
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True

        await eventually(listens)
        yield through
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def use(url: str) -> set[int]:
    """A service's way to work, by several tasks at once; returns the sessions that it had."""
    sessions = set()
    async with open_database(url, application_name="test", pool_min=4, pool_max=8) as database:

        async def work() -> None:
            for _ in range(20):
                async with database.connection() as connection:
                    assert await connection.fetchval("SELECT $1::int + 1", 1) == 2
                    assert [row[0] for row in await connection.fetchmany("SELECT $1::int", [(1,), (2,)])] == [1, 2]
                async with database.transaction() as connection:
                    assert await connection.fetchval("SELECT $1::text || 'b'", "a") == "ab"
                    assert await connection.fetchval("SELECT current_setting('statement_timeout')") == "10s"
                    assert await connection.fetchval("SELECT $1::jsonb", {"a": 1}) == {"a": 1}
                    sessions.add(await connection.fetchval("SELECT pg_backend_pid()"))

        await asyncio.gather(*(work() for _ in range(12)))
        await database.probe()
    return sessions


@pytest.mark.parametrize("ignores", ["", IGNORES], ids=["as it comes", "that ignores our settings"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_serves_and_the_time_limits_hold(
    program: Program, folder: Path, migrated_url: str, mode: str, ignores: str
) -> None:
    async with pgbouncer(program, folder, own_url(migrated_url), mode=mode, ignores=ignores) as url:
        for _ in range(2):  # whatever those before left in the pooler's sessions
            assert await use(url)


async def test_a_command_is_carried_out_once_by_way_of_a_pooler_in_transaction_mode(
    program: Program, folder: Path, migrated_url: str
) -> None:
    async with (
        pgbouncer(program, folder, own_url(migrated_url), mode="transaction") as url,
        open_database(url, application_name="test", pool_min=4, pool_max=8) as database,
    ):
        happened: list[str] = []
        ledger = Ledger(database, "diagram", NotedCaches(happened), NotedRelay(happened), lambda: datetime.now(UTC))
        envelopes = [envelope_of(Paint(colour="red")) for _ in range(40)]
        writes = Writes("nothing AS (SELECT $1::text FROM claimed)", ("red",))
        for attempt in (1, 2):
            outcomes = await asyncio.gather(
                *(ledger.execute(ledger.work(envelope), writes) for envelope in envelopes), return_exceptions=True
            )
            assert {type(outcome) for outcome in outcomes} == {NoneType if attempt == 1 else AlreadyHandled}
        found = await asyncio.gather(*(ledger.find(USER.key, envelope.id) for envelope in envelopes))
        assert all(row is not None and row.outcome.status is Status.SUCCEEDED for row in found)


async def test_a_pooler_is_refused_where_nothing_limits_a_statement(
    program: Program, folder: Path, migrated_url: str
) -> None:
    name = migrated_url.rpartition("/")[2]
    server = await asyncpg.connect(migrated_url)
    await server.execute(f'ALTER ROLE autograph_diagram IN DATABASE "{name}" RESET statement_timeout')
    await server.close()
    try:
        async with pgbouncer(program, folder, own_url(migrated_url), mode="session", ignores=IGNORES) as url:
            with pytest.raises(PoolerUnsuitable, match="the role has none"):
                await use(url)
    finally:
        await migrate_database(migrated_url, INSTALLATION_SECRET)


@pytest.mark.parametrize("ignores", ["", IGNORES], ids=["as it comes", "that ignores our settings"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_migration_by_way_of_a_pooler_is_refused_in_one_sentence(
    program: Program, folder: Path, migrated_url: str, mode: str, ignores: str
) -> None:
    async with pgbouncer(program, folder, migrated_url, mode=mode, ignores=ignores) as url:
        with pytest.raises(OperatorError, match="names a pooler"):
            await migrate_database(url, INSTALLATION_SECRET)
