"""Where old versions' content is kept: one object a version, compressed, named by its SHA-256.

An object holds ``{"canvas_data": …, "note_content": …}`` as gzip. The digest is of the JSON and not of the gzip, whose
bytes differ from one zlib to another.
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
from chassis.metrics import DiagramMetrics
from chassis.objects import ObjectDamaged, ObjectStore
from workers.diagram.storage import Content

BUCKET = "diagrams"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A version's content on its way to the store."""

    key: str
    sha256: str  # of the JSON, in hex
    document: bytes  # the JSON
    packed: bytes


class Archive:
    """Raises ``ObjectStoreAway`` like the store itself."""

    def __init__(self, store: ObjectStore, metrics: DiagramMetrics) -> None:
        self._store = store
        self._metrics = metrics

    async def keep(self, file_id: UUID, number: int, content: Content) -> Parcel:
        """Returns once the store has given back what it was given. Raises ``ObjectDamaged`` if it did not."""
        parcel = await asyncio.to_thread(_pack, file_id, number, content)
        with self._measured("put"):
            await self._store.put(BUCKET, parcel.key, parcel.packed, content_type="application/gzip")
        with self._measured("get"):
            packed = await self._store.get(BUCKET, parcel.key)
        if await asyncio.to_thread(_unpack, packed, parcel.key, parcel.sha256) != parcel.document:
            raise ObjectDamaged(f"{parcel.key} reads back differently")
        return parcel

    async def content(self, key: str, sha256: str) -> tuple[bytes | None, str | None]:
        """The canvas as JSON, and the note. Raises ``ObjectMissing``, ``ObjectDamaged``."""
        with self._measured("get"):
            packed = await self._store.get(BUCKET, key)
        return await asyncio.to_thread(_read, packed, key, sha256)

    async def remove(self, key: str) -> None:
        with self._measured("delete"):
            await self._store.delete(BUCKET, key)

    async def remove_all(self, file_id: UUID) -> int:
        """Every object of every version of a diagram; returns how many there were."""
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


def _pack(file_id: UUID, number: int, content: Content) -> Parcel:
    canvas, note = content.canvas_json or b"null", to_json(content.note)
    document = b'{"canvas_data":' + canvas + b',"note_content":' + note + b"}"
    sha256 = hashlib.sha256(document).hexdigest()
    return Parcel(f"{file_id}/{number}/{sha256}", sha256, document, gzip.compress(document, mtime=0))


def _unpack(packed: bytes, key: str, sha256: str) -> bytes:
    try:
        document = gzip.decompress(packed)
    except (OSError, EOFError) as error:  # gzip.BadGzipFile is an OSError
        raise ObjectDamaged(f"{key} is not gzip") from error
    if hashlib.sha256(document).hexdigest() != sha256:
        raise ObjectDamaged(f"{key} holds something else")
    return document


class _Packed(msgspec.Struct):
    canvas_data: msgspec.Raw
    note_content: str | None


_contents = msgspec.json.Decoder(_Packed).decode


def _read(packed: bytes, key: str, sha256: str) -> tuple[bytes | None, str | None]:
    content = _contents(_unpack(packed, key, sha256))
    canvas = bytes(content.canvas_data).decode()
    return None if canvas == "null" else compact(canvas), content.note_content
