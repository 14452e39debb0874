"""Copies the objects that the snapshot refers to, each streamed and with its checksum."""

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
    BackedUpObject,
    BackupBroken,
    MissingObject,
    backed_up_objects,
    object_file,
    read_part,
)
from chassis.database import DirectConnection
from chassis.objects import PROBE_KEY
from contracts.services import BUCKETS

if TYPE_CHECKING:  # stubs
    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

ARCHIVE: Final = "diagrams"  # the bucket of old versions' content
CONCURRENCY: Final = 8
PREFETCH_ROWS: Final = 1_000
# Marks an unfinished restore: the other objects are incomplete.
RESTORING: Final = ".restoring"
OWN_KEYS: Final = frozenset({PROBE_KEY, RESTORING})


class ReferencedObject(NamedTuple):
    bucket: str
    key: str
    content_sha256: str | None  # of the decompressed content


@dataclass(slots=True)
class CopyResult:
    count: int = 0
    bytes: int = 0
    missing: list[MissingObject] = field(default_factory=list)


class ContentMismatch(Exception):
    """The object's content differs from the database's digest."""


async def referenced_objects(connection: DirectConnection, client: "S3Client") -> AsyncIterator[ReferencedObject]:
    """The archived versions' objects in the snapshot, and all objects of the other buckets."""
    async for record in connection.cursor(_ARCHIVED, prefetch=PREFETCH_ROWS):
        yield ReferencedObject(ARCHIVE, record["object_key"], record["content_sha256"])
    for bucket in BUCKETS:
        if bucket != ARCHIVE:
            async for key in keys(client, bucket):
                yield ReferencedObject(bucket, key, None)


async def keys(client: "S3Client", bucket: str) -> AsyncIterator[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    async for page in pages:
        for entry in page.get("Contents", ()):
            if entry["Key"] not in OWN_KEYS:
                yield entry["Key"]


async def copy_out(connection: DirectConnection, client: "S3Client", folder: Path, advance: Advance) -> CopyResult:
    """Copies the objects to *folder*. The list of objects is in order of arrival."""
    copied = CopyResult()
    path = folder / OBJECT_LIST
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as lines:

        async def one(wanted: ReferencedObject) -> None:
            try:
                entry = await _fetch(client, folder, wanted, advance)
            except client.exceptions.NoSuchKey:
                # In the other buckets an object may be deleted between listing and reading.
                if wanted.bucket == ARCHIVE:
                    copied.missing.append(MissingObject(bucket=wanted.bucket, key=wanted.key, why="not in the store"))
                return
            except ContentMismatch as damage:
                copied.missing.append(MissingObject(bucket=wanted.bucket, key=wanted.key, why=str(damage)))
                return
            lines.write(entry.model_dump_json() + "\n")
            copied.count += 1
            copied.bytes += entry.bytes

        await _run_concurrently(referenced_objects(connection, client), one)
    return copied


async def _fetch(client: "S3Client", folder: Path, wanted: ReferencedObject, advance: Advance) -> BackedUpObject:
    """Raises ``Damaged`` if the gzip does not hold the content that the database promises."""
    answer = await client.get_object(Bucket=wanted.bucket, Key=wanted.key)
    partial = folder / f"arriving-{uuid4().hex}"
    partial.touch(mode=0o600)
    digest, content, size = hashlib.sha256(), hashlib.sha256(), 0
    gunzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with a gzip header
    try:
        with partial.open("wb") as file:
            async with answer["Body"] as stream:
                while chunk := await stream.read(CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                    advance(len(chunk))
                    if wanted.content_sha256 is not None:
                        _decompress(gunzip, chunk, content)
        if wanted.content_sha256 is not None and content.hexdigest() != wanted.content_sha256:
            raise ContentMismatch("holds something else than its version's content")
        target = object_file(folder, digest.hexdigest())
        target.parent.parent.mkdir(mode=0o700, exist_ok=True)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return BackedUpObject(
        bucket=wanted.bucket,
        key=wanted.key,
        bytes=size,
        sha256=digest.hexdigest(),
        content_type=answer["ContentType"],
    )


def _decompress(gunzip: "zlib._Decompress", chunk: bytes, content: "hashlib._Hash") -> None:
    """In chunks: a small object may decompress to a large one."""
    try:
        while chunk:
            content.update(gunzip.decompress(chunk, CHUNK_BYTES))
            chunk = gunzip.unconsumed_tail
    except zlib.error:
        raise ContentMismatch("is not gzip") from None


async def is_empty(client: "S3Client") -> bool:
    """Whether all buckets are empty or missing."""
    for bucket in BUCKETS:
        with suppress(client.exceptions.NoSuchBucket):
            async for _ in keys(client, bucket):
                return False
    return True


async def copy_in(client: "S3Client", folder: Path, advance: Advance) -> None:
    async def one(entry: BackedUpObject) -> None:
        with read_part(object_file(folder, entry.sha256)), object_file(folder, entry.sha256).open("rb") as file:
            await client.put_object(
                Bucket=entry.bucket,
                Key=entry.key,
                Body=file,
                ContentLength=entry.bytes,
                ContentType=entry.content_type,
                # The store verifies it.
                ChecksumSHA256=base64.b64encode(bytes.fromhex(entry.sha256)).decode("ascii"),
            )
        advance(entry.bytes)

    await _run_concurrently(_listed(folder), one)


async def verify_copied(client: "S3Client", folder: Path, advance: Advance) -> None:
    """Reads every object back from the store. Raises ``BackupBroken`` for one that differs."""

    async def one(entry: BackedUpObject) -> None:
        digest = hashlib.sha256()
        answer = await client.get_object(Bucket=entry.bucket, Key=entry.key)
        async with answer["Body"] as stream:
            while chunk := await stream.read(CHUNK_BYTES):
                digest.update(chunk)
                advance(len(chunk))
        if digest.hexdigest() != entry.sha256:
            raise BackupBroken(f"{entry.bucket}/{entry.key} reads back differently from the new object store")

    await _run_concurrently(_listed(folder), one)


async def _listed(folder: Path) -> AsyncIterator[BackedUpObject]:
    for entry in backed_up_objects(folder):
        yield entry


async def _run_concurrently(items: AsyncIterator[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Runs a few at once. The first failure cancels the others and is raised."""
    running: set[asyncio.Future[None]] = set()
    try:
        async for item in items:
            if len(running) == CONCURRENCY:
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
    """Removes the objects of an unfinished restore; its mark comes last."""
    for bucket in BUCKETS:
        async for key in keys(client, bucket):
            await client.delete_object(Bucket=bucket, Key=key)
    await unmark(client)


_ARCHIVED: Final = """
    SELECT object_key, content_sha256 FROM diagram.versions WHERE object_key IS NOT NULL ORDER BY file_id, number
"""
