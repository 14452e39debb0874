"""Restores a backup into an empty installation, completely or not at all.

The backup is verified and the target checked before anything is written: objects, broker, database. The database comes
last, in one transaction, because services start only when its schema exists. A mark in the object store shows an
unfinished restore: the next restore, which finds the mark and no schema, removes its remains.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from pydantic_core import from_json

from autograph.backup import messages, objects, postgres
from autograph.backup.definitions import apply_definitions, find_any_program, remove_definitions
from autograph.backup.manifest import DUMP, SECRETS, BackupBroken, Manifest, secret_check
from autograph.backup.progress import Bars
from autograph.broker import Broker, open_broker
from autograph.buckets import ensure_buckets
from autograph.database import create_database, migrate_database, newest_revision
from autograph.installation import Installation
from autograph.topology import apply_topology
from chassis.bus.headers import service_user
from chassis.objects import s3_client
from compose.local.home import OperatorError

if TYPE_CHECKING:  # stubs
    from types_aiobotocore_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Target:
    found: Installation
    programs: Path  # where the launcher unpacks its PostgreSQL

    @property
    def postgres_url(self) -> str:
        return self.found.servers.postgres_url


@dataclass(frozen=True, slots=True)
class _Opened:
    """Connections to the target's servers."""

    target: Target
    broker: Broker
    store: "S3Client"


def check_release(manifest: Manifest) -> None:
    """Raises ``OperatorError``."""
    if int(manifest.revision) > int(newest_revision()):
        raise OperatorError(
            f"The backup's schema is at revision {manifest.revision}, and this release knows {newest_revision()} at "
            "most: restore it with the release that made it, or a newer one"
        )


def secrets_of(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The secrets in the backup, by name."""
    if not manifest.secrets_included:
        return {}
    kept: dict[str, str] = from_json((folder / SECRETS).read_bytes())
    return kept


def check_secrets(manifest: Manifest, found: Installation) -> None:
    """Raises ``OperatorError`` unless *found* has the secrets that the backup's data was made with."""
    wrong = [
        f"AUTOGRAPH_{name.upper()}_SECRET"
        for name, check in sorted(manifest.secret_checks.items())
        if secret_check(found.own_secrets.get(name, "")) != check
    ]
    if wrong:
        raise OperatorError(
            f"{' and '.join(wrong)} must be as in the installation that was backed up, and is not: its keys could not "
            "be read, nor its sessions and command addresses be recognised"
        )


async def restore(
    target: Target, folder: Path, manifest: Manifest, bars: Bars, *, keep_secrets: Callable[[], None]
) -> None:
    """*manifest* must be verified. Raises ``OperatorError`` after removing what was restored so far.

    *keep_secrets* is called once the target is known to be empty, before the data that needs them is restored.
    """
    servers = target.found.servers
    async with (
        open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker,
        s3_client(servers.s3.url, servers.s3.access_key, servers.s3.secret_key, region=target.found.s3_region) as store,
    ):
        opened = _Opened(target, broker, store)
        await _check_empty(opened)
        keep_secrets()
        async with _undo_on_failure(opened, folder):
            await _restore_parts(opened, folder, manifest, bars)
        await objects.unmark(store)


async def _restore_parts(opened: _Opened, folder: Path, manifest: Manifest, bars: Bars) -> None:
    target, servers = opened.target, opened.target.found.servers
    await objects.copy_in(opened.store, folder, bars.bar("objects", manifest.objects_bytes))
    await apply_topology(servers.rabbitmq_url, servers.rabbitmq_management_url, target.found.secret)
    await apply_definitions(opened.broker, folder)
    await messages.replay(servers.rabbitmq_url, target.found.secret, folder)
    await objects.verify_copied(opened.store, folder, bars.bar("reading back", manifest.objects_bytes))
    await create_database(target.postgres_url)
    await postgres.restore(target.postgres_url, folder / DUMP, target.programs, manifest.pg_dump)
    await _check_database(target, manifest)
    await migrate_database(target.postgres_url, target.found.secret)


async def _check_database(target: Target, manifest: Manifest) -> None:
    """Checks row counts, the audit log's chain, that the keys can be decrypted, and the number of objects."""
    connection = await asyncpg.connect(target.postgres_url)
    try:
        found = await postgres.count_rows(connection)
        different = sorted(
            name for name in {*found, *manifest.rows} if found.get(name, 0) != manifest.rows.get(name, 0)
        )
        if different:
            raise BackupBroken(f"The restored database has other numbers of rows in {', '.join(different)}")
        broken_at = await connection.fetchval("SELECT auth.audit_log_broken_at()")
        if broken_at is not None:
            raise BackupBroken(f"The restored audit log is broken at position {broken_at}")
        await postgres.check_keys(connection, target.found.own_secrets.get("auth", ""))
        named = await connection.fetchval("SELECT count(*) FROM diagram.versions WHERE object_key IS NOT NULL")
    finally:
        await connection.close()
    lost = sum(1 for one in manifest.missing if one.bucket == objects.ARCHIVE)
    if named > manifest.objects + lost:
        raise BackupBroken(f"The restored database names {named} objects, and the backup has {manifest.objects}")


async def _check_empty(opened: _Opened) -> None:
    """Raises ``OperatorError`` naming what exists. The remains of a killed restore are removed instead."""
    why = await _existing_schema(opened.target.postgres_url) or await _running_service(opened.broker)
    if why is None:
        if await objects.is_marked(opened.store):
            await _remove_partial_restore(opened)
        elif not await objects.is_empty(opened.store):
            why = "its buckets hold objects"
        else:
            why = await _broker_in_use(opened)
    if why is not None:
        raise OperatorError(f"A backup is restored into an empty installation only, and this one is not: {why}")
    servers = opened.target.found.servers
    await ensure_buckets(servers.s3.url, servers.s3.access_key, servers.s3.secret_key, opened.target.found.s3_region)
    await objects.mark(opened.store)


async def _existing_schema(url: str) -> str | None:
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidCatalogNameError:
        return None
    try:
        there = await connection.fetchval("SELECT min(nspname) FROM pg_namespace WHERE nspname = ANY($1)", _SCHEMAS)
    finally:
        await connection.close()
    return f"its database has the schema {there}" if there else None


async def _broker_in_use(opened: _Opened) -> str | None:
    if program := await find_any_program(opened.broker):
        return f"the broker has the {program}"
    if queue := await messages.find_queue_with_messages(opened.target.found.servers.rabbitmq_url, opened.broker):
        return f"the broker's queue {queue} holds messages"
    return None


async def _running_service(broker: Broker) -> str | None:
    for connection in await broker.get("connections"):
        if connection.get("vhost") == broker.vhost and connection.get("user", "").startswith(service_user("")):
            return f"{connection['user']} is running on it"
    return None


@asynccontextmanager
async def _undo_on_failure(opened: _Opened, folder: Path) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:  # also Ctrl-C
        await asyncio.shield(_undo(opened, folder))
        raise


async def _undo(opened: _Opened, folder: Path) -> None:
    try:
        connection = await asyncpg.connect(opened.target.postgres_url)
    except asyncpg.InvalidCatalogNameError:
        pass
    else:
        try:
            for schema in _SCHEMAS[::-1]:
                await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        finally:
            await connection.close()
    await remove_definitions(opened.broker, folder)
    await _remove_partial_restore(opened)


async def _remove_partial_restore(opened: _Opened) -> None:
    await messages.purge(opened.broker)
    await objects.clear(opened.store)


_SCHEMAS = list(postgres.SCHEMAS)
