"""`autograph backup FOLDER --keep N` deletes older backups of its own making, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograph.__main__ import app
from autograph.backup.manifest import MANIFEST
from autograph.backup.rotation import name_at, remove_older

NOW = datetime(2026, 11, 30, 2, 17, tzinfo=UTC)


def make(folder: Path, *names: str, finished: bool = True) -> None:
    for name in names:
        (folder / name).mkdir()
        if finished:
            (folder / name / MANIFEST).touch()


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_newest_are_kept_and_older_ones_are_deleted(tmp_path: Path) -> None:
    days = [name_at(NOW.replace(day=day)) for day in (30, 27, 28, 29)]
    make(tmp_path, *days)

    removed = remove_older(tmp_path, keep=2, now=NOW)

    assert left(tmp_path) == {days[0], days[3]}
    assert [path.name for path in removed] == [days[1], days[2]]


def test_fewer_than_are_kept_all_stay(tmp_path: Path) -> None:
    make(tmp_path, name_at(NOW))

    assert remove_older(tmp_path, keep=3, now=NOW) == []
    assert left(tmp_path) == {name_at(NOW)}


def test_what_has_another_name_or_no_manifest_is_neither_deleted_nor_counted(tmp_path: Path) -> None:
    finished = [name_at(NOW.replace(day=day)) for day in (10, 11)]
    make(tmp_path, *finished, "2026-11-01", "before-the-upgrade")
    make(tmp_path, name_at(NOW.replace(day=1)), finished=False)
    (tmp_path / name_at(NOW.replace(day=2))).touch()
    before = left(tmp_path)

    remove_older(tmp_path, keep=2, now=NOW)

    assert left(tmp_path) == before


def test_what_a_killed_backup_left_is_deleted_after_a_day_and_not_before(tmp_path: Path) -> None:
    old, new = (f"{name_at(NOW.replace(day=day))}.unfinished-a1b2" for day in (28, 30))
    make(tmp_path, old, new, finished=False)

    remove_older(tmp_path, keep=1, now=NOW)

    assert left(tmp_path) == {new}


def test_reading_back_and_keeping_are_not_asked_for_together(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["backup", str(tmp_path), "--verify", "--keep", "3"])

    assert told.exit_code == 2
    assert "--keep" in told.output


@pytest.mark.parametrize("keep", ["0", "-1"])
def test_keeping_none_is_refused(keep: str, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["backup", str(tmp_path), "--keep", keep]).exit_code == 2
