"""The object store's part: what the snapshot names, each object streamed, with its checksum."""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from uuid import uuid4

from botocore.exceptions import ClientError

from autograph.backup.manifest import (
    CHUNK_BYTES,
    OBJECT_LIST,
    Advance,
    BackupBroken,
    KeptObject,
    MissingObject,
    kept_objects,
    object_file,
    read_part,
)
from chassis.database import OwnConnection
from chassis.objects import PROBE_KEY
from contracts.services import BUCKETS

if TYPE_CHECKING:  # stubs
    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

ARCHIVE: Final = "diagrams"  # the bucket of old versions' content
AT_ONCE: Final = 8
ROWS_AT_ONCE: Final = 1_000
# Says that a restore began here and did not end: what is beside it is not yet anybody's.
RESTORING: Final = ".restoring"
OURS: Final = frozenset({PROBE_KEY, RESTORING})


class Named(NamedTuple):
    bucket: str
    key: str
    content_sha256: str | None  # of what is in the gzip


@dataclass(slots=True)
class Copied:
    count: int = 0
    bytes: int = 0
    missing: list[MissingObject] = field(default_factory=list)


class Damaged(Exception):  # noqa: N818 - states what is so
    """The store holds something else than what the database says."""


async def named(connection: OwnConnection, client: "S3Client") -> AsyncIterator[Named]:
    """What the snapshot of *connection* refers to, and all that the other buckets hold."""
    async for record in connection.cursor(_ARCHIVED, prefetch=ROWS_AT_ONCE):
        yield Named(ARCHIVE, record["object_key"], record["content_sha256"])
    for bucket in BUCKETS:
        if bucket != ARCHIVE:
            async for key in keys(client, bucket):
                yield Named(bucket, key, None)


async def keys(client: "S3Client", bucket: str) -> AsyncIterator[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    async for page in pages:
        for entry in page.get("Contents", ()):
            if entry["Key"] not in OURS:
                yield entry["Key"]


async def copy_out(connection: OwnConnection, client: "S3Client", folder: Path, advance: Advance) -> Copied:
    """The list of objects is in the order of their arrival."""
    copied = Copied()
    path = folder / OBJECT_LIST
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as lines:

        async def one(wanted: Named) -> None:
            try:
                kept = await _fetch(client, folder, wanted, advance)
            except client.exceptions.NoSuchKey:
                # In the other buckets nothing was promised: it went between being listed and being read.
                if wanted.bucket == ARCHIVE:
                    copied.missing.append(MissingObject(bucket=wanted.bucket, key=wanted.key, why="not in the store"))
                return
            except Damaged as damage:
                copied.missing.append(MissingObject(bucket=wanted.bucket, key=wanted.key, why=str(damage)))
                return
            lines.write(kept.model_dump_json() + "\n")
            copied.count += 1
            copied.bytes += kept.bytes

        await _each(named(connection, client), one)
    return copied


async def _fetch(client: "S3Client", folder: Path, wanted: Named, advance: Advance) -> KeptObject:
    """Raises ``Damaged`` if the gzip does not hold the content that the database promises."""
    answer = await client.get_object(Bucket=wanted.bucket, Key=wanted.key)
    arriving = folder / f"arriving-{uuid4().hex}"
    arriving.touch(mode=0o600)
    packed, content, size = hashlib.sha256(), hashlib.sha256(), 0
    gunzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with a gzip header
    try:
        with arriving.open("wb") as file:
            async with answer["Body"] as stream:
                while chunk := await stream.read(CHUNK_BYTES):
                    file.write(chunk)
                    packed.update(chunk)
                    size += len(chunk)
                    advance(len(chunk))
                    if wanted.content_sha256 is not None:
                        _unpack(gunzip, chunk, content)
        if wanted.content_sha256 is not None and content.hexdigest() != wanted.content_sha256:
            raise Damaged("holds something else than its version's content")
        target = object_file(folder, packed.hexdigest())
        target.parent.parent.mkdir(mode=0o700, exist_ok=True)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        arriving.rename(target)
    finally:
        arriving.unlink(missing_ok=True)
    return KeptObject(
        bucket=wanted.bucket,
        key=wanted.key,
        bytes=size,
        sha256=packed.hexdigest(),
        content_type=answer["ContentType"],
    )


def _unpack(gunzip: "zlib._Decompress", chunk: bytes, content: "hashlib._Hash") -> None:
    """A piece at a time: a small object may unpack to a large one."""
    try:
        while chunk:
            content.update(gunzip.decompress(chunk, CHUNK_BYTES))
            chunk = gunzip.unconsumed_tail
    except zlib.error:
        raise Damaged("is not gzip") from None


async def is_empty(client: "S3Client") -> bool:
    """Whether no bucket of ours holds anything; one that is not there holds nothing."""
    for bucket in BUCKETS:
        with suppress(client.exceptions.NoSuchBucket):
            async for _ in keys(client, bucket):
                return False
    return True


async def copy_in(client: "S3Client", folder: Path, advance: Advance) -> None:
    async def one(kept: KeptObject) -> None:
        with read_part(object_file(folder, kept.sha256)), object_file(folder, kept.sha256).open("rb") as file:
            await client.put_object(
                Bucket=kept.bucket,
                Key=kept.key,
                Body=file,
                ContentLength=kept.bytes,
                ContentType=kept.content_type,
                # The store checks it against what arrived.
                ChecksumSHA256=base64.b64encode(bytes.fromhex(kept.sha256)).decode("ascii"),
            )
        advance(kept.bytes)

    await _each(_listed(folder), one)


async def check_in(client: "S3Client", folder: Path, advance: Advance) -> None:
    """Reads every object back from the store. Raises ``BackupBroken`` for one that differs."""

    async def one(kept: KeptObject) -> None:
        digest = hashlib.sha256()
        answer = await client.get_object(Bucket=kept.bucket, Key=kept.key)
        async with answer["Body"] as stream:
            while chunk := await stream.read(CHUNK_BYTES):
                digest.update(chunk)
                advance(len(chunk))
        if digest.hexdigest() != kept.sha256:
            raise BackupBroken(f"{kept.bucket}/{kept.key} reads back differently from the new object store")

    await _each(_listed(folder), one)


async def _listed(folder: Path) -> AsyncIterator[KeptObject]:
    for kept in kept_objects(folder):
        yield kept


async def _each(items: AsyncIterator[T], work: Callable[[T], Awaitable[None]]) -> None:
    """A few at once. The first failure ends the others, and is raised."""
    running: set[asyncio.Future[None]] = set()
    try:
        async for item in items:
            if len(running) == AT_ONCE:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            running.add(asyncio.ensure_future(work(item)))
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def is_marked(client: "S3Client") -> bool:
    try:
        await client.head_object(Bucket=ARCHIVE, Key=RESTORING)
    except ClientError:
        return False
    return True


async def mark(client: "S3Client") -> None:
    await client.put_object(Bucket=ARCHIVE, Key=RESTORING, Body=b"")


async def unmark(client: "S3Client") -> None:
    await client.delete_object(Bucket=ARCHIVE, Key=RESTORING)


async def clear(client: "S3Client") -> None:
    """What a restore that did not end has put; the mark goes last."""
    for bucket in BUCKETS:
        async for key in keys(client, bucket):
            await client.delete_object(Bucket=bucket, Key=key)
    await unmark(client)


_ARCHIVED: Final = """
    SELECT object_key, content_sha256 FROM diagram.versions WHERE object_key IS NOT NULL ORDER BY file_id, number
"""
