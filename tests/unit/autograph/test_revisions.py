from pathlib import Path

import pytest
from alembic import command

from autograph.database import _revisions, _sql, newest_revision


def test_revisions_are_numbered_without_gaps() -> None:
    revisions = _revisions()

    assert revisions == [f"{number:04}" for number in range(1, len(revisions) + 1)]
    assert newest_revision() == revisions[-1]


def test_revisions_are_found_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert "CREATE TABLE auth.users" in _sql(command.upgrade, "base", "0001")


def test_every_table_that_goes_up_comes_down() -> None:
    for before, revision in zip(["base", *_revisions()], _revisions(), strict=False):
        made = _names(_sql(command.upgrade, before, revision), "CREATE TABLE ")
        undone = _names(_sql(command.downgrade, revision, before), "DROP TABLE ")

        assert made - {"autograph.revision"} == undone - {"autograph.revision"}


def test_no_statement_has_a_doubled_percent_sign() -> None:
    """The mark of a driver's parameters, which our SQL does not pass through."""
    assert "%%" not in _sql(command.upgrade, "base", newest_revision())


def _names(sql: str, before: str) -> set[str]:
    return {line.split(before)[1].split()[0].rstrip("(;") for line in sql.splitlines() if before in line}
