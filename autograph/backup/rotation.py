"""Keeps the newest backups in a folder of backups that are named by their time."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from autograph.backup.make import UNFINISHED
from autograph.backup.manifest import MANIFEST

FORM: Final = "%Y-%m-%dT%H%M%SZ"
NAME: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{6}Z)(" + re.escape(UNFINISHED) + r".+)?")
ABANDONED_AFTER: Final = timedelta(days=1)


def name_at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(FORM)


def remove_older(folder: Path, *, keep: int, now: datetime) -> list[Path]:
    """Delete all finished backups but the *keep* newest, and unfinished ones older than a day. Returns their paths.

    Ignores other names, and folders without a manifest that may still be written.
    """
    finished, abandoned = [], []
    for path in folder.iterdir():
        found = NAME.fullmatch(path.name)
        if found is None or not path.is_dir():
            continue
        if found[2] is None and (path / MANIFEST).is_file():
            finished.append(path)
        elif found[2] is not None and found[1] < name_at(now - ABANDONED_AFTER):
            abandoned.append(path)
    removed = [*sorted(abandoned), *sorted(finished)[:-keep]]
    for path in removed:
        shutil.rmtree(path)
    return removed
