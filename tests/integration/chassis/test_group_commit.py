"""Statements that come together are one transaction, and each still has its own answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chassis import group_commit
from chassis.batching import MAX_BATCH
from chassis.database import Database, classify, open_database
from chassis.failures import Failure
from chassis.group_commit import LARGE_BYTES, GroupCommit
from tests.integration.chassis.proxy import Proxy

NOTE = """
    WITH noted AS (INSERT INTO group_commit_notes (key, text) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1)
    SELECT CASE WHEN $2 = 'wrong' THEN 1 / length(left($2, 0)) ELSE (SELECT count(*) FROM noted) END
"""
TRANSACTION = "SELECT ($1::text, pg_current_xact_id())::text"


@pytest.fixture
async def url(database_url: str) -> AsyncIterator[str]:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "CREATE TABLE group_commit_notes (key uuid PRIMARY KEY, text text, position bigserial, writer bigint DEFAULT"
        " pg_current_xact_id()::text::bigint)"
    )
    yield database_url
    await connection.execute("DROP TABLE group_commit_notes")
    await connection.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url, application_name="test", pool_min=2, pool_max=4) as database:
        yield database


async def all_of(commits: GroupCommit, statement: str, keys: list[int], *values: Any) -> list[Any]:
    asked = (commits.fetchval(statement, UUID(int=key), (UUID(int=key), *values)) for key in keys)
    return await asyncio.gather(*asked, return_exceptions=True)


async def transactions(commits: GroupCommit, *texts: str) -> list[str]:
    answers = await asyncio.gather(
        *(commits.fetchval(TRANSACTION, UUID(int=number), (text,)) for number, text in enumerate(texts))
    )
    assert [answer.strip("()").split(",")[0] for answer in answers] == list(texts)  # each its own
    return [answer.strip("()").split(",")[1] for answer in answers]


async def test_what_comes_together_is_one_transaction_and_what_comes_later_another(database: Database) -> None:
    commits = GroupCommit(database)

    together = await transactions(commits, "a", "b", "c")

    assert len(set(together)) == 1
    assert (await transactions(commits, "d"))[0] not in together


async def test_a_group_has_its_most(database: Database) -> None:
    together = await transactions(GroupCommit(database), *(f"t{number}" for number in range(MAX_BATCH + 1)))

    assert len(set(together)) == 2


async def test_a_group_is_as_large_as_goes_out_in_one_write(database: Database) -> None:
    together = await transactions(GroupCommit(database), *(str(number) * (LARGE_BYTES // 4) for number in range(6)))

    assert [together.index(one) for one in together] == [0, 0, 0, 0, 4, 4]


async def test_what_is_large_goes_by_itself(database: Database) -> None:
    small, large, other = await transactions(GroupCommit(database), "a", "b" * (LARGE_BYTES + 1), "c")

    assert small == other
    assert large != small


async def test_a_mistake_is_its_own_and_the_others_are_there(database: Database) -> None:
    commits = GroupCommit(database)

    first, wrong, last = await asyncio.gather(
        *(
            commits.fetchval(NOTE, UUID(int=key), (UUID(int=key), text))
            for key, text in ((1, "right"), (2, "wrong"), (3, "right"))
        ),
        return_exceptions=True,
    )

    assert (first, last) == (1, 1)
    assert isinstance(wrong, asyncpg.DivisionByZeroError)
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT array_agg(key ORDER BY key) FROM group_commit_notes") == [
            UUID(int=1), UUID(int=3),
        ]  # fmt: skip


async def test_of_two_with_one_key_one_is_told_that_it_was_first(database: Database) -> None:
    assert sorted(await all_of(GroupCommit(database), NOTE, [1, 1], "right")) == [0, 1]


async def test_groups_lock_in_the_order_of_keys(database: Database) -> None:
    """Else two processes that were handed the same messages in another order would wait for one another."""
    keys = [*range(1, MAX_BATCH, 2), *range(0, MAX_BATCH, 2)]

    await all_of(GroupCommit(database), NOTE, keys, "right")

    async with database.connection() as connection:
        rows = await connection.fetch("SELECT key, writer FROM group_commit_notes ORDER BY position")
    assert len({row["writer"] for row in rows}) == 1
    assert [row["key"].int for row in rows] == sorted(keys)


async def test_when_the_database_goes_away_all_are_told_so(url: str) -> None:
    async with (
        Proxy(url) as proxy,
        open_database(proxy.url, application_name="test", pool_min=1, pool_max=2) as database,
    ):
        proxy.refuse()
        answers = await all_of(GroupCommit(database), NOTE, [1, 2, 3], "right")

    assert [classify(answer) for answer in answers] == [Failure.DEPENDENCY] * 3


async def test_behind_a_lock_nobody_waits_but_who_wants_that_row(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "BATCH_TIMEOUT_SECONDS", 0.2)
    commits = GroupCommit(database)
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO group_commit_notes (key, text) VALUES ($1, 'first')", UUID(int=1))
        blocked, free = (
            asyncio.create_task(commits.fetchval(NOTE, UUID(int=key), (UUID(int=key), "right"))) for key in (1, 2)
        )
        assert await free == 1
        assert not blocked.done()
    assert await blocked == 0


async def test_however_a_group_ends_nobody_is_left_waiting(database: Database) -> None:
    """A statement that gives no row breaks the rule; who relies on it hears of that."""
    commits = GroupCommit(database)
    waiting = [
        asyncio.create_task(commits.fetchval("SELECT 1 WHERE $1::int < 0", UUID(int=key), (key,))) for key in (1, 2)
    ]
    done, _ = await asyncio.wait(waiting, timeout=5)

    assert len(done) == 2
    assert all(task.exception() for task in done)


async def test_who_goes_away_takes_nobody_along(database: Database) -> None:
    commits = GroupCommit(database)
    staying, going = (
        asyncio.create_task(commits.fetchval(NOTE, UUID(int=key), (UUID(int=key), "right"))) for key in (1, 2)
    )
    await asyncio.sleep(0)
    going.cancel()

    assert await staying == 1
    with pytest.raises(asyncio.CancelledError):
        await going


async def test_a_group_that_waits_for_a_lock_does_not_hold_up_the_next(database: Database) -> None:
    commits = GroupCommit(database)
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO group_commit_notes (key, text) VALUES ($1, 'first')", UUID(int=1))
        blocked = asyncio.create_task(all_of(commits, NOTE, [1, 2], "right"))
        await asyncio.sleep(0)

        assert await all_of(commits, NOTE, [3, 4], "right") == [1, 1]
        assert not blocked.done()
    assert await blocked == [0, 1]
