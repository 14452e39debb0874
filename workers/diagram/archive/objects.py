"""Archived content of old versions in the object store: one object per version, named by its SHA-256.

An object is ``{"canvas_data": …, "note_content": …}``, compressed with gzip. The digest is that of the JSON: gzip's
bytes differ between versions of zlib.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import msgspec
from pydantic_core import to_json

from chassis.database import compact
from chassis.objects import ObjectDamaged, ObjectStore
from workers.diagram.archive.storage import Content
from workers.diagram.metrics import DiagramMetrics

BUCKET = "diagrams"


@dataclass(frozen=True, slots=True)
class ArchivedContent:
    """A version's content as an object of the store."""

    key: str
    sha256: str  # of the JSON, in hex
    document: bytes  # the JSON
    compressed: bytes


class Archive:
    """All methods raise ``ObjectStoreUnavailable``."""

    def __init__(self, store: ObjectStore, metrics: DiagramMetrics) -> None:
        self._store = store
        self._metrics = metrics

    async def store(self, file_id: UUID, number: int, content: Content) -> ArchivedContent:
        """Stores the object and reads it back. Raises ``ObjectDamaged`` if it differs."""
        archived = await asyncio.to_thread(_compress, file_id, number, content)
        with self._measured("put"):
            await self._store.put(BUCKET, archived.key, archived.compressed, content_type="application/gzip")
        with self._measured("get"):
            compressed = await self._store.get(BUCKET, archived.key)
        if await asyncio.to_thread(_decompress, compressed, archived.key, archived.sha256) != archived.document:
            raise ObjectDamaged(f"{archived.key} reads back differently")
        return archived

    async def content(self, key: str, sha256: str) -> tuple[bytes | None, str | None]:
        """The canvas as JSON, and the note. Raises ``ObjectMissing``, ``ObjectDamaged``."""
        stored = await self.stored(key, sha256)
        if stored.canvas_json is None:
            return None, stored.note
        return await asyncio.to_thread(compact, stored.canvas_json.decode()), stored.note

    async def stored(self, key: str, sha256: str) -> Content:
        """As it was in PostgreSQL. Raises ``ObjectMissing``, ``ObjectDamaged``."""
        with self._measured("get"):
            compressed = await self._store.get(BUCKET, key)
        return await asyncio.to_thread(_read, compressed, key, sha256)

    async def remove(self, key: str) -> None:
        with self._measured("delete"):
            await self._store.delete(BUCKET, key)

    async def remove_all(self, file_id: UUID) -> int:
        """Removes all objects of a diagram; returns how many there were."""
        with self._measured("list"):
            keys = [found.key async for found in self._store.list(BUCKET, f"{file_id}/")]
        for key in keys:
            await self.remove(key)
        return len(keys)

    @contextmanager
    def _measured(self, operation: str) -> Iterator[None]:
        self._metrics.storage_operations.labels(operation).inc()
        with self._metrics.storage_seconds.labels(operation).time():
            yield


def _compress(file_id: UUID, number: int, content: Content) -> ArchivedContent:
    canvas, note = content.canvas_json or b"null", to_json(content.note)
    document = b'{"canvas_data":' + canvas + b',"note_content":' + note + b"}"
    sha256 = hashlib.sha256(document).hexdigest()
    return ArchivedContent(f"{file_id}/{number}/{sha256}", sha256, document, gzip.compress(document, mtime=0))


def _decompress(compressed: bytes, key: str, sha256: str) -> bytes:
    try:
        document = gzip.decompress(compressed)
    except (OSError, EOFError) as error:  # gzip.BadGzipFile is an OSError
        raise ObjectDamaged(f"{key} is not gzip") from error
    if hashlib.sha256(document).hexdigest() != sha256:
        raise ObjectDamaged(f"{key} holds something else")
    return document


class _ArchivedDocument(msgspec.Struct):
    canvas_data: msgspec.Raw
    note_content: str | None


_decode_document = msgspec.json.Decoder(_ArchivedDocument).decode


def _read(compressed: bytes, key: str, sha256: str) -> Content:
    content = _decode_document(_decompress(compressed, key, sha256))
    canvas = bytes(content.canvas_data)
    return Content(None if canvas == b"null" else canvas, content.note_content)
