from pathlib import Path

import pytest
from alembic import command

from autograph.database import _revisions, _script, _sql, newest_revision
from tests.upgrade.contracting import contractions
from tests.upgrade.releases import previous_version_and_commit
from tests.upgrade.repeating import unrepeatable

# None of these may run while the previous release serves.
BAD = (
    "DROP TABLE diagram.files",
    "DROP SCHEMA auth CASCADE",
    "DROP INDEX diagram.files_team",
    "DROP FUNCTION auth.refuse_change()",
    "TRUNCATE diagram.usage_metrics",
    "DELETE FROM diagram.versions WHERE label IS NULL",
    "REVOKE SELECT ON diagram.files FROM autograph_diagram",
    "ALTER TABLE diagram.files RENAME TO drawings",
    "ALTER TABLE diagram.files RENAME COLUMN title TO name",
    "ALTER TABLE diagram.files SET SCHEMA auth",
    "ALTER TYPE diagram.kind RENAME VALUE 'note' TO 'text'",
    "ALTER TABLE diagram.files DROP COLUMN starred",
    "ALTER TABLE IF EXISTS ONLY diagram.files DROP starred",
    "alter table diagram.files\n  add column shade text,\n  drop column starred",
    "ALTER TABLE diagram.files ADD shade text DEFAULT ',', DROP CONSTRAINT files_type_check",
    "ALTER TABLE diagram.files ALTER COLUMN version TYPE bigint",
    "ALTER TABLE diagram.files ALTER version SET DATA TYPE bigint USING version::bigint",
    "ALTER TABLE diagram.files ALTER COLUMN note_content SET NOT NULL",
    "ALTER TABLE diagram.files ALTER COLUMN revision DROP DEFAULT",
    "ALTER TABLE diagram.files ADD COLUMN shade text NOT NULL",
    "ALTER TABLE diagram.files ADD COLUMN shade text UNIQUE",
    "ALTER TABLE diagram.files ADD COLUMN place bigserial",
    "ALTER TABLE diagram.files ADD CONSTRAINT short CHECK (length(title) < 10) NOT VALID",
    "CREATE INDEX files_shade ON diagram.files (shade)",
    "CREATE UNIQUE INDEX CONCURRENTLY files_once ON diagram.files (owner_id, title)",
    "CREATE TABLE diagram.shades (id uuid); CREATE INDEX files_shade ON diagram.files (shade)",
    "DO $$ BEGIN EXECUTE 'CREATE INDEX files_shade ON diagram.files (shade)'; END $$",
    "DO $$ BEGIN EXECUTE 'ALTER TABLE diagram.files DROP COLUMN starred'; END $$",
)
GOOD = (
    "ALTER TABLE diagram.files ADD COLUMN shade text",
    "ALTER TABLE diagram.files ADD COLUMN shade text NOT NULL DEFAULT 'none'",
    "ALTER TABLE diagram.files ADD COLUMN shade text, ADD COLUMN place numeric(4, 2)",
    "ALTER TABLE diagram.files ALTER COLUMN note_content DROP NOT NULL, SET (fillfactor = 70)",
    "ALTER TABLE diagram.files ADD dropped text; COMMENT ON COLUMN diagram.files.dropped IS 'DROP TABLE x; RENAME'",
    "CREATE INDEX CONCURRENTLY files_shade ON diagram.files (shade)",
    "DROP INDEX CONCURRENTLY IF EXISTS diagram.files_shade",
    "CREATE TABLE diagram.shades (id uuid NOT NULL); CREATE UNIQUE INDEX shades_id ON diagram.shades (id)",
    "CREATE TABLE diagram.shades (id uuid); ALTER TABLE diagram.shades ADD CONSTRAINT one CHECK (id IS NOT NULL)",
    "UPDATE autograph.revision SET version_num='0009' WHERE autograph.revision.version_num = '0008'",
    "-- DROP TABLE diagram.files;\nSELECT 1",
)

BUILD = "CREATE INDEX CONCURRENTLY files_shade ON diagram.files (shade)"
UNREPEATABLE = {
    "passes over the INVALID index": "CREATE INDEX CONCURRENTLY IF NOT EXISTS files_shade ON diagram.files (shade)",
    "DROP INDEX CONCURRENTLY IF EXISTS …files_shade first": BUILD,
    "DROP INDEX CONCURRENTLY IF EXISTS …files_tone first": (
        "DROP INDEX CONCURRENTLY IF EXISTS diagram.files_shade;\n"
        "create unique index concurrently files_tone ON diagram.files (tone)"
    ),
    "a revision of its own": (
        "BEGIN; ALTER TABLE diagram.files ADD COLUMN shade text; COMMIT;"
        f"DROP INDEX CONCURRENTLY IF EXISTS diagram.files_shade; {BUILD}"
    ),
}
REPEATABLE = (
    f"DROP INDEX CONCURRENTLY IF EXISTS diagram.files_shade; {BUILD}",
    f"ALTER TABLE diagram.files ADD IF NOT EXISTS shade text; DROP INDEX CONCURRENTLY IF EXISTS files_shade; {BUILD}",
    f"DROP INDEX CONCURRENTLY IF EXISTS files_shade; {BUILD}; BEGIN; ALTER TABLE diagram.files ADD tone text; COMMIT",
    "BEGIN; ALTER TABLE diagram.files ADD COLUMN shade text; CREATE TABLE diagram.shades (id uuid); COMMIT",
)


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


def test_no_revision_takes_away_what_the_previous_release_lives_on() -> None:
    """Unless it says, as its ``contracts = "0.N"``, since which release nothing depends on that any more."""
    previous, _ = previous_version_and_commit()
    for before, revision in zip(["base", *_revisions()], _revisions(), strict=False):
        found = contractions(_sql(command.upgrade, before, revision))
        since = getattr(_script().get_revision(revision).module, "contracts", None)

        assert _is_allowed(found, since, previous), f"{revision}, contracts = {since!r}: {found}"


@pytest.mark.parametrize("sql", BAD)
def test_what_the_previous_release_cannot_live_with_is_told(sql: str) -> None:
    assert contractions(sql)


@pytest.mark.parametrize("sql", GOOD)
def test_what_only_adds_is_not_told(sql: str) -> None:
    assert contractions(sql) == []


def test_every_revision_can_be_done_again_where_it_gave_up() -> None:
    for before, revision in zip(["base", *_revisions()], _revisions(), strict=False):
        assert unrepeatable(_sql(command.upgrade, before, revision)) == [], revision


@pytest.mark.parametrize("why", UNREPEATABLE)
def test_what_a_build_that_gave_up_stands_in_the_way_of_is_told(why: str) -> None:
    [told] = unrepeatable(UNREPEATABLE[why])

    assert why in told


@pytest.mark.parametrize("sql", REPEATABLE)
def test_what_can_be_done_again_is_not_told(sql: str) -> None:
    assert unrepeatable(sql) == []


def test_taking_away_must_be_marked_with_a_release_that_is_out_already() -> None:
    found = ["DROP TABLE a: takes away what the previous release may use"]

    assert _is_allowed(found, "0.9", "0.9.3")
    assert _is_allowed(found, "0.9", "0.10.0")
    assert not _is_allowed(found, "0.10", "0.9.3")
    assert not _is_allowed(found, None, "0.9.3")


def test_a_mark_without_anything_taken_away_is_refused() -> None:
    assert _is_allowed([], None, "0.9.3")
    assert not _is_allowed([], "0.9", "0.9.3")


def _is_allowed(found: list[str], since: str | None, previous: str) -> bool:
    if since is None:
        return not found
    return bool(found) and _numbers(since) <= _numbers(previous)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _names(sql: str, before: str) -> set[str]:
    return {line.split(before)[1].split()[0].rstrip("(;") for line in sql.splitlines() if before in line}
