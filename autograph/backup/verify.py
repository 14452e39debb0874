"""Verifies a backup: every file against its checksum, and the counts in the manifest."""

from pathlib import Path

from autograph.backup.manifest import (
    MESSAGES,
    Manifest,
    backed_up_objects,
    object_file,
    read_lines,
    read_manifest,
    read_part,
    size_and_sha256,
)
from autograph.backup.manifest import BackupBroken as Broken
from autograph.backup.messages import QueuedMessage
from autograph.backup.progress import Bars


def verify(folder: Path, bars: Bars) -> Manifest:
    """Raises ``BackupBroken`` for the first difference."""
    manifest = read_manifest(folder)
    advance = bars.bar("reading back", sum(part.bytes for part in manifest.parts) + manifest.objects_bytes)
    for part in manifest.parts:
        with read_part(folder / part.name):
            if size_and_sha256(folder / part.name, advance) != (part.bytes, part.sha256):
                raise Broken(f"{folder / part.name} is not what was written: its checksum differs")
    count = 0
    for backed_up in backed_up_objects(folder):
        path = object_file(folder, backed_up.sha256)
        with read_part(path):
            if size_and_sha256(path, advance) != (backed_up.bytes, backed_up.sha256):
                raise Broken(
                    f"{path} ({backed_up.bucket}/{backed_up.key}) is not what was written: its checksum differs"
                )
        count += 1
    if count != manifest.objects:
        raise Broken(f"{folder} lists {count} objects, and its manifest counts {manifest.objects}")
    waiting = sum(1 for _ in read_lines(QueuedMessage, folder / MESSAGES))
    if waiting != sum(manifest.messages.values()):
        raise Broken(f"{folder} holds {waiting} messages, and its manifest counts {sum(manifest.messages.values())}")
    return manifest
