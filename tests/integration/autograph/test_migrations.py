"""The schema's revisions, on a real server: there, back, and there again, alone and in company."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from autograph.credentials import as_user, service_password
from autograph.database import (
    _revisions,
    _run,
    check_database,
    migrate_database,
    newest_revision,
    rollback_database,
)
from chassis import advisory_locks
from chassis.database import DirectConnection, SchemaNotReady, open_database
from tests.integration.autograph.installation import INSTALLATION_SECRET

MISSION_TABLES = {
    "auth": {"users", "teams", "audit_log", "api_keys"},
    "diagram": {
        "files",
        "versions",
        "comments",
        "mentions",
        "folders",
        "shares",
        "git_connections",
        "usage_metrics",
    },
}

# Everything that a migration can leave behind, with what it consists of.
CONTENTS = """
    SELECT 'column', table_schema || '.' || table_name, column_name, data_type || ' ' || is_nullable
           || coalesce(' ' || column_default, '')
    FROM information_schema.columns WHERE table_schema = ANY($1)
    UNION ALL SELECT 'index', schemaname, indexname, indexdef FROM pg_indexes WHERE schemaname = ANY($1)
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace::regnamespace::text = ANY($1)
    UNION ALL SELECT 'options', relnamespace::regnamespace::text, relname, array_to_string(reloptions, ',')
    FROM pg_class WHERE relnamespace::regnamespace::text = ANY($1) AND relkind = 'r'
    UNION ALL SELECT 'function', pronamespace::regnamespace::text, proname, md5(prosrc)
    FROM pg_proc WHERE pronamespace::regnamespace::text = ANY($1)
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(pg_trigger.oid)
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relnamespace::regnamespace::text = ANY($1) AND NOT tgisinternal
    UNION ALL SELECT 'schema', nspname, '', '' FROM pg_namespace WHERE nspname = ANY($1)
    UNION ALL SELECT 'extension', extname, '', extnamespace::regnamespace::text
    FROM pg_extension WHERE extname <> 'plpgsql'
    ORDER BY 1, 2, 3, 4
"""

TRIES_TO_MIGRATE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'autograph migrate' AND query LIKE '%advisory_lock%'
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[DirectConnection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def contents(url: str) -> list[tuple[object, ...]]:
    async with connected(url) as connection:
        return [tuple(row) for row in await connection.fetch(CONTENTS, ["auth", "diagram", "autograph"])]


async def test_a_missing_database_is_made(unused_url: str) -> None:
    applied = await migrate_database(unused_url, INSTALLATION_SECRET)

    assert applied == _revisions()
    assert await check_database(unused_url) == newest_revision()


async def test_the_twelve_tables_are_there(admin_url: str) -> None:
    async with connected(admin_url) as connection:
        for schema, tables in MISSION_TABLES.items():
            rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
            assert tables <= {row["tablename"] for row in rows}


async def test_every_way_back_leads_exactly_to_where_it_began(unused_url: str) -> None:
    stages = []
    for revision in _revisions():
        await migrate_database(unused_url, INSTALLATION_SECRET, revision)
        stages.append(await contents(unused_url))

    for revision, stage in zip(reversed(_revisions()[:-1]), reversed(stages[:-1]), strict=True):
        await rollback_database(unused_url, revision)
        assert await contents(unused_url) == stage

    assert await rollback_database(unused_url, "base") == ["0001"]
    assert await contents(unused_url) == []
    assert await rollback_database(unused_url, "base") == []

    assert await migrate_database(unused_url, INSTALLATION_SECRET) == _revisions()
    assert await contents(unused_url) == stages[-1]


async def test_migrating_again_changes_nothing(unused_url: str) -> None:
    await migrate_database(unused_url, INSTALLATION_SECRET)
    before = await contents(unused_url)

    assert await migrate_database(unused_url, INSTALLATION_SECRET) == []
    assert await contents(unused_url) == before


async def test_of_migrations_at_once_one_does_the_work(unused_url: str) -> None:
    await migrate_database(unused_url, INSTALLATION_SECRET, "0001")

    applied = await asyncio.gather(*(migrate_database(unused_url, INSTALLATION_SECRET) for _ in range(4)))

    assert sorted(applied) == [[], [], [], _revisions()[1:]]


async def test_a_database_that_is_missing_twice_at_once_is_made_once(unused_url: str) -> None:
    applied = await asyncio.gather(*(migrate_database(unused_url, INSTALLATION_SECRET) for _ in range(2)))

    assert sorted(applied) == [[], _revisions()]


async def test_a_newer_releases_schema_is_left_alone(unused_url: str) -> None:
    await migrate_database(unused_url, INSTALLATION_SECRET)
    async with connected(unused_url) as connection:
        await connection.execute("UPDATE autograph.revision SET version_num = '9999'")

    assert await migrate_database(unused_url, INSTALLATION_SECRET) == []
    assert await check_database(unused_url) == "9999"
    with pytest.raises(SchemaNotReady):
        await rollback_database(unused_url, "base")


async def test_a_schema_that_is_too_old_is_refused(unused_url: str) -> None:
    await migrate_database(unused_url, INSTALLATION_SECRET, "0001")

    with pytest.raises(SchemaNotReady, match="0001"):
        await check_database(unused_url)


async def test_a_service_may_ask_how_new_the_schema_is(diagram_url: str) -> None:
    assert await check_database(diagram_url) == newest_revision()
    async with open_database(diagram_url, application_name="test", pool_min=1) as database:
        await database.check_revision(newest_revision())
        with pytest.raises(SchemaNotReady):
            await database.check_revision("9999")


async def test_an_empty_database_is_not_ready(unused_url: str) -> None:
    await migrate_database(unused_url, INSTALLATION_SECRET)
    await rollback_database(unused_url, "base")

    with pytest.raises(SchemaNotReady, match="none"):
        await check_database(unused_url)


async def test_a_migration_gives_way_to_those_who_hold_its_tables(
    unused_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It must not stand in the queue for a table's lock: all queries would stand behind it."""
    caplog.set_level("INFO", "autograph.database")
    await migrate_database(unused_url, INSTALLATION_SECRET)
    async with connected(unused_url) as service, service.transaction():
        await service.execute("SELECT FROM diagram.inbox")
        rollback = asyncio.create_task(rollback_database(unused_url, "0002"))
        async with asyncio.timeout(20):
            while "trying again" not in caplog.text:
                await asyncio.wait([rollback], timeout=0.05)
        assert not rollback.done()
        assert await service.fetchval("SELECT count(*) FROM auth.inbox") == 0  # nothing is half undone

    assert (await rollback)[-1] == "0003"


async def test_an_index_is_built_while_others_write_and_wait_to_migrate(
    unused_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate_database(unused_url, INSTALLATION_SECRET)
    concurrently = "BEGIN; COMMIT; CREATE INDEX CONCURRENTLY inbox_type ON diagram.inbox (type); BEGIN; COMMIT;"
    async with connected(unused_url) as administrator:
        await administrator.execute(f"SELECT pg_advisory_lock({advisory_locks.MIGRATION})")
        monkeypatch.setattr("autograph.database.PAUSE_SECONDS", 0.01)
        other = asyncio.create_task(migrate_database(unused_url, INSTALLATION_SECRET))
        async with connected(unused_url) as looking, asyncio.timeout(20):
            while not await looking.fetchval(TRIES_TO_MIGRATE):
                await asyncio.wait([other], timeout=0.01)

        await _run(administrator, concurrently)

    assert await other == []
    assert any("inbox_type" in row for row in await contents(unused_url))


IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('diagram.inbox_type')"
BUILD = "CREATE INDEX CONCURRENTLY inbox_type ON diagram.inbox (type)"


@asynccontextmanager
async def gave_up(url: str) -> AsyncIterator[DirectConnection]:
    """An administrator's connection; its build has waited in vain for somebody who writes, until now."""
    await migrate_database(url, INSTALLATION_SECRET)
    async with connected(url) as administrator, connected(url) as service:
        await administrator.execute("SET lock_timeout = '100ms'")
        async with service.transaction():
            await service.execute("UPDATE diagram.inbox SET type = type WHERE false")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await _run(administrator, BUILD)
        yield administrator


async def test_an_index_whose_build_gave_up_is_there_and_of_no_use_and_if_not_exists_passes_over_it(
    unused_url: str,
) -> None:
    async with gave_up(unused_url) as administrator:
        assert await administrator.fetchval(IS_VALID) is False

        await _run(administrator, BUILD.replace("CONCURRENTLY", "CONCURRENTLY IF NOT EXISTS"))

        assert await administrator.fetchval(IS_VALID) is False


async def test_an_index_whose_build_gave_up_is_dropped_and_built_anew(unused_url: str) -> None:
    async with gave_up(unused_url) as administrator:
        with pytest.raises(asyncpg.DuplicateTableError):
            await _run(administrator, BUILD)

        await _run(administrator, f"DROP INDEX CONCURRENTLY IF EXISTS diagram.inbox_type; {BUILD}")

        assert await administrator.fetchval(IS_VALID) is True


async def test_an_extension_that_was_there_before_stays_where_it_is(unused_url: str) -> None:
    await migrate_database(unused_url, INSTALLATION_SECRET, "0001")
    async with connected(unused_url) as connection:
        await connection.execute("CREATE SCHEMA extensions")
        await connection.execute("CREATE EXTENSION pg_trgm WITH SCHEMA extensions")

    await migrate_database(unused_url, INSTALLATION_SECRET)

    password = service_password(INSTALLATION_SECRET, "postgres", "diagram")
    async with connected(as_user(unused_url, "autograph_diagram", password)) as service:
        assert await service.fetchval("SELECT similarity('diagram', 'diagram')") == 1
    await rollback_database(unused_url, "base")
    async with connected(unused_url) as connection:
        assert await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == 1
