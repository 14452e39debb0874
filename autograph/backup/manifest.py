"""A backup's files and manifest. The manifest is written last: a folder without one is not a backup."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from chassis.key_pairs import derived_key
from compose.local.home import OperatorError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MANIFEST_SUM: Final = "manifest.json.sha256"
DUMP: Final = "postgres.dump"
DEFINITIONS: Final = "broker.json"
MESSAGES: Final = "messages.jsonl"
OBJECT_LIST: Final = "objects.jsonl"
OBJECTS: Final = "objects"
SECRETS: Final = "secrets.json"
CHUNK_BYTES: Final = 1 << 20

ModelT = TypeVar("ModelT", bound=BaseModel)
Advance = Callable[[int], None]  # called with the number of bytes that were just processed


class BackupBroken(OperatorError):
    """A damaged backup; the message says which part, in one sentence."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Record):
    name: str
    bytes: int
    sha256: str
    secret: bool  # contains credentials or sealed data


class BackedUpObject(_Record):
    """A line of ``objects.jsonl``. The file's name is the SHA-256 of the object as it is stored."""

    bucket: str
    key: str
    bytes: int
    sha256: str
    content_type: str


class MissingObject(_Record):
    """Missing from the store, or damaged, when the backup was made."""

    bucket: str
    key: str
    why: str


class Manifest(_Record):
    format: int
    revision: str  # of the schema
    postgres: str  # the server's version
    pg_dump: int  # its major version
    rabbitmq: str
    snapshot_at: datetime  # everything acknowledged before it is in the backup, as data or as a waiting message
    finished_at: datetime
    database_bytes: int
    rows: dict[str, int]  # schema.table → how many
    messages: dict[str, int]  # queue → how many
    objects: int
    objects_bytes: int
    missing: tuple[MissingObject, ...]
    secrets_included: bool
    secret_checks: dict[str, str]  # name → ``secret_check`` of the right secret
    parts: tuple[Part, ...]


def secret_check(secret: str) -> str:
    """Identifies a secret without revealing it: secrets have at least 128 bits."""
    return derived_key(secret, "backup check").hex()


def object_file(folder: Path, sha256: str) -> Path:
    return folder / OBJECTS / sha256[:2] / sha256


def read_manifest(folder: Path) -> Manifest:
    """Raises ``BackupBroken`` if it is missing, truncated, changed, or in another format."""
    try:
        text = (folder / MANIFEST).read_bytes()
        expected = (folder / MANIFEST_SUM).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        if not folder.exists():
            raise BackupBroken(f"there is no folder {folder}") from None
        raise BackupBroken(f"{folder} is no finished backup: it has no {MANIFEST} with its checksum") from None
    if hashlib.sha256(text).hexdigest() != expected:
        raise BackupBroken(f"{folder / MANIFEST} is not what was written: its checksum differs")
    form = _parsed(_FormatOnly, text, folder / MANIFEST).format
    if form != FORMAT:
        raise BackupBroken(f"{folder} has format {form}, and this release reads format {FORMAT} only")
    return _parsed(Manifest, text, folder / MANIFEST)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    text = manifest.model_dump_json(indent=1).encode()
    write_private(folder / MANIFEST_SUM, hashlib.sha256(text).hexdigest().encode())
    write_private(folder / MANIFEST, text)


def backed_up_objects(folder: Path) -> Iterator[BackedUpObject]:
    yield from read_lines(BackedUpObject, folder / OBJECT_LIST)


def read_lines(model: type[ModelT], path: Path) -> Iterator[ModelT]:
    """One JSON document per line, parsed one at a time."""
    with path.open("rb") as lines:
        for line in lines:
            yield _parsed(model, line, path)


def write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def describe_part(folder: Path, name: str, *, secret: bool) -> Part:
    size, sha256 = size_and_sha256(folder / name)
    return Part(name=name, bytes=size, sha256=sha256, secret=secret)


def size_and_sha256(path: Path, advance: Advance = lambda _bytes: None) -> tuple[int, str]:
    """Size and SHA-256, read a megabyte at a time."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            advance(len(chunk))
    return size, digest.hexdigest()


@contextmanager
def read_part(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BackupBroken(f"{path} is missing from the backup") from None


class _FormatOnly(BaseModel):
    """The field that every format has."""

    format: int = 0


def _parsed(model: type[ModelT], text: bytes, path: Path) -> ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        raise BackupBroken(f"{path} cannot be read: it was cut or changed") from None
