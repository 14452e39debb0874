"""A backup is read back whole; one that was changed, cut or made by another release is refused in one sentence."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autograph.backup.manifest import (
    DEFINITIONS,
    DUMP,
    FORMAT,
    MANIFEST,
    MANIFEST_SUM,
    MESSAGES,
    OBJECT_LIST,
    SECRETS,
    BackedUpObject,
    BackupBroken,
    Manifest,
    describe_part,
    object_file,
    secret_check,
    write_manifest,
)
from autograph.backup.messages import QueuedMessage, _plain, _table
from autograph.backup.progress import bars
from autograph.backup.verify import verify

CONTENTS = (b"one object", b"another object")
PARTS = (DUMP, DEFINITIONS, MESSAGES, OBJECT_LIST, SECRETS)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A small one, made by hand."""
    lines = []
    for number, content in enumerate(CONTENTS):
        sha256 = hashlib.sha256(content).hexdigest()
        path = object_file(tmp_path, sha256)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        lines.append(
            BackedUpObject(
                bucket="diagrams",
                key=f"d/{number}/x",
                bytes=len(content),
                sha256=sha256,
                content_type="application/gzip",
            ).model_dump_json()
        )
    message = QueuedMessage(
        queue="diagram.commands", routing_key="diagram.create_diagram", user="autograph-gateway", type="t",
        content_type="application/cloudevents+json", correlation_id="c", headers={}, body="e30=",
    )  # fmt: skip
    written = {
        DUMP: "a dump", DEFINITIONS: "{}", MESSAGES: message.model_dump_json(), OBJECT_LIST: "\n".join(lines),
        SECRETS: "{}",
    }  # fmt: skip
    for name, text in written.items():
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    write_manifest(tmp_path, manifest_of(tmp_path))
    return tmp_path


def manifest_of(folder: Path, **other: Any) -> Manifest:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    values: dict[str, Any] = {
        "format": FORMAT, "revision": "0003", "postgres": "18.6", "pg_dump": 18, "rabbitmq": "3.10.8",
        "snapshot_at": now, "finished_at": now, "database_bytes": 1, "rows": {"auth.users": 1},
        "messages": {"diagram.commands": 1}, "objects": len(CONTENTS), "objects_bytes": sum(map(len, CONTENTS)),
        "missing": (), "secrets_included": True, "secret_checks": {"auth": "x", "gateway": "y"},
        "parts": tuple(describe_part(folder, name, secret=True) for name in PARTS),
    }  # fmt: skip
    return Manifest(**(values | other))


def verified(folder: Path) -> Manifest:
    with bars(Console(quiet=True)) as progress:
        return verify(folder, progress)


def an_object(folder: Path) -> Path:
    return object_file(folder, hashlib.sha256(CONTENTS[1]).hexdigest())


def test_what_was_written_is_read_back(backup: Path) -> None:
    assert verified(backup).rows == {"auth.users": 1}


@pytest.mark.parametrize("name", PARTS)
def test_one_flipped_bit_in_any_part_is_found(backup: Path, name: str) -> None:
    _flip(backup / name)
    with pytest.raises(BackupBroken, match=f"{name} is not what was written"):
        verified(backup)


def test_one_flipped_bit_in_an_object_is_found_and_the_object_is_named(backup: Path) -> None:
    _flip(an_object(backup))
    with pytest.raises(BackupBroken, match=r"diagrams/d/1/x\) is not what was written"):
        verified(backup)


@pytest.mark.parametrize("name", [*PARTS, "an object"])
def test_a_part_that_is_missing_is_named(backup: Path, name: str) -> None:
    path = an_object(backup) if name == "an object" else backup / name
    path.unlink()
    with pytest.raises(BackupBroken, match=f"{path.name} is missing"):
        verified(backup)


@pytest.mark.parametrize("name", [MANIFEST, MANIFEST_SUM])
def test_a_folder_without_its_manifest_is_no_backup(backup: Path, name: str) -> None:
    (backup / name).unlink()
    with pytest.raises(BackupBroken, match="is no finished backup"):
        verified(backup)


def test_a_manifest_that_was_cut_anywhere_is_refused(backup: Path) -> None:
    whole = (backup / MANIFEST).read_bytes()
    for end in range(0, len(whole), 97):
        (backup / MANIFEST).write_bytes(whole[:end])
        with pytest.raises(BackupBroken, match="checksum differs"):
            verified(backup)


def _doctored(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Whoever changes a manifest by hand may also write its checksum anew."""

    def doctor(folder: Path) -> None:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        change(document)
        text = json.dumps(document).encode()
        (folder / MANIFEST).write_bytes(text)
        (folder / MANIFEST_SUM).write_text(hashlib.sha256(text).hexdigest(), encoding="ascii")

    return doctor


@pytest.mark.parametrize(
    ("doctor", "sentence"),
    [
        (_doctored(lambda manifest: manifest.update(format=FORMAT + 1, more="of it")), "has format 2"),
        (_doctored(lambda manifest: manifest.pop("format")), "has format 0"),
        (_doctored(lambda manifest: manifest.update(objects=3)), "lists 2 objects, and its manifest counts 3"),
        (_doctored(lambda manifest: manifest.update(messages={})), "holds 1 messages, and its manifest counts 0"),
        (_doctored(lambda manifest: manifest.pop("rows")), "cannot be read"),
    ],
)
def test_a_manifest_that_does_not_fit_what_is_there_is_refused(
    backup: Path, doctor: Callable[[Path], None], sentence: str
) -> None:
    doctor(backup)
    with pytest.raises(BackupBroken, match=sentence):
        verified(backup)


def test_a_manifest_that_is_no_json_is_refused_even_with_a_fitting_checksum(backup: Path) -> None:
    text = (backup / MANIFEST).read_bytes()[:-5]
    (backup / MANIFEST).write_bytes(text)
    (backup / MANIFEST_SUM).write_text(hashlib.sha256(text).hexdigest(), encoding="ascii")
    with pytest.raises(BackupBroken, match="cannot be read"):
        verified(backup)


def test_an_object_list_that_was_cut_is_refused_even_with_a_fitting_manifest(backup: Path) -> None:
    (backup / OBJECT_LIST).write_bytes((backup / OBJECT_LIST).read_bytes()[:-20])
    write_manifest(backup, manifest_of(backup))
    with pytest.raises(BackupBroken, match=r"objects.jsonl cannot be read"):
        verified(backup)


def test_a_secret_is_told_from_another_without_being_kept() -> None:
    secret = "0123456789abcdef" * 3
    assert secret_check(secret) == secret_check(secret)
    assert secret_check(secret) != secret_check(secret[:-1] + "0")
    assert secret not in secret_check(secret)


header_values = st.recursive(
    st.one_of(
        st.text(), st.integers(), st.booleans(), st.none(), st.binary(), st.datetimes(timezones=st.just(UTC))
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text().filter(lambda key: key[:1] != "$"), inner)),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.text().filter(lambda key: key[:1] != "$"), header_values))
def test_headers_of_any_kind_come_back_from_json(table: dict[str, Any]) -> None:
    assert _table(json.loads(json.dumps(_plain(table)))) == table


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
