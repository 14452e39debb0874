"""Makes a backup of one moment: the queues are captured while the database's snapshot is taken."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from autograph.backup import messages, objects, postgres
from autograph.backup.definitions import write_definitions
from autograph.backup.manifest import (
    DEFINITIONS,
    DUMP,
    FORMAT,
    MESSAGES,
    OBJECT_LIST,
    SECRETS,
    Manifest,
    describe_part,
    secret_check,
    write_manifest,
    write_private,
)
from autograph.backup.progress import Bars
from autograph.broker import open_broker
from autograph.installation import Installation
from chassis.objects import s3_client
from compose.local.home import OperatorError

if TYPE_CHECKING:  # stubs
    from types_aiobotocore_s3 import S3Client

UNFINISHED: Final = ".unfinished-"
PARTS: Final = {DUMP: True, DEFINITIONS: True, MESSAGES: True, OBJECT_LIST: False}  # name → whether it is secret


@dataclass(frozen=True, slots=True)
class Source:
    found: Installation
    programs: Path  # where the launcher unpacks its PostgreSQL


async def make(source: Source, target: Path, bars: Bars, *, with_secrets: bool) -> Manifest:
    """Raises ``OperatorError``. *target* is created completely or not at all."""
    with _atomic_folder(target) as folder:
        manifest = await _write_backup(source, folder, bars, with_secrets=with_secrets)
        write_manifest(folder, manifest)
    return manifest


async def _read_rows_and_objects(
    snapshot: postgres.Snapshot, store: "S3Client", folder: Path, bars: Bars
) -> tuple[dict[str, int], objects.CopyResult]:
    """One after the other: both use the snapshot's connection."""
    rows = await postgres.count_rows(snapshot.connection)
    return rows, await objects.copy_out(snapshot.connection, store, folder, bars.bar("objects"))


@contextmanager
def _atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside *target*, renamed to it at the end, removed on failure."""
    if target.exists():
        raise OperatorError(f"{target} is there already: name a folder that is not")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{target.name}{UNFINISHED}", dir=target.parent))  # 0700
    try:
        yield folder
        folder.rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _write_backup(source: Source, folder: Path, bars: Bars, *, with_secrets: bool) -> Manifest:
    found, servers = source.found, source.found.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker, AsyncExitStack() as stack:
        rabbitmq = await write_definitions(broker, folder)
        async with messages.capture_messages(servers.rabbitmq_url, broker, folder) as capture:
            snapshot = await stack.enter_async_context(postgres.open_snapshot(servers.postgres_url))
            # Includes events that were published after the capture began and whose rows the snapshot lacks.
            await capture.wait_until_empty()
        await postgres.check_keys(snapshot.connection, found.own_secrets.get("auth", ""))
        store = await stack.enter_async_context(
            s3_client(servers.s3.url, servers.s3.access_key, servers.s3.secret_key, region=found.s3_region)
        )
        try:
            async with asyncio.TaskGroup() as group:
                dumping = group.create_task(
                    postgres.dump(servers.postgres_url, snapshot, source.programs, folder / DUMP, bars.bar("database"))
                )
                copying = group.create_task(_read_rows_and_objects(snapshot, store, folder, bars))
        except* OperatorError as sentences:
            raise sentences.exceptions[0] from None
        rows, copied = copying.result()
    secrets = dict(found.own_secrets)
    parts = dict(PARTS)
    if with_secrets:
        write_private(folder / SECRETS, to_json(secrets))
        parts[SECRETS] = True
    return Manifest(
        format=FORMAT,
        revision=snapshot.revision,
        postgres=snapshot.server_version,
        pg_dump=dumping.result(),
        rabbitmq=rabbitmq,
        snapshot_at=snapshot.at,
        finished_at=datetime.now(UTC),
        database_bytes=snapshot.size_bytes,
        rows=rows,
        messages=capture.counts,
        objects=copied.count,
        objects_bytes=copied.bytes,
        missing=tuple(copied.missing),
        secrets_included=with_secrets,
        secret_checks={name: secret_check(secret) for name, secret in secrets.items()},
        parts=tuple(describe_part(folder, name, secret=secret) for name, secret in parts.items()),
    )
