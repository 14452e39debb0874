"""The pool on a real server: what it keeps, what it gives up, and how plainly it says so."""
# ruff: noqa: PT012  # what raises stands in a transaction, after what leads to it

import asyncio
import random
import struct
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic_core import from_json, to_json

from chassis.database import (
    Database,
    DatabaseUnavailable,
    StatementTimedOut,
    _is_lost,
    classify,
    compact,
    open_database,
)
from chassis.failures import Failure
from tests.databases import unused_database
from tests.eventually import eventually
from tests.integration.chassis.proxy import Proxy


@pytest.fixture(scope="module")
async def own_url(database_url: str) -> AsyncIterator[str]:
    async with unused_database(database_url) as url:
        server = await asyncpg.connect(database_url)
        await server.execute(f'CREATE DATABASE "{url.rpartition("/")[2]}" TEMPLATE template0')
        await server.close()
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE things (id int PRIMARY KEY, content jsonb)")
        await connection.close()
        yield url


@pytest.fixture
async def database(own_url: str) -> AsyncIterator[Database]:
    async with open_database(own_url, application_name="test", pool_min=1, pool_max=2, acquire_seconds=0.3) as database:
        yield database
        async with database.connection() as connection:
            await connection.execute("DELETE FROM things")


@pytest.fixture
async def proxy(own_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(own_url) as proxy:
        yield proxy


async def end_session(url: str, pid: int) -> None:
    other = await asyncpg.connect(url)
    try:
        assert await other.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
    finally:
        await other.close()


async def ids(database: Database) -> list[int]:
    async with database.connection() as connection:
        return [row["id"] for row in await connection.fetch("SELECT id FROM things ORDER BY id")]


async def test_a_transaction_commits_at_its_end(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO things (id) VALUES (1)")

    assert await ids(database) == [1]


async def test_an_error_rolls_the_transaction_back(database: Database) -> None:
    with pytest.raises(KeyError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO things (id) VALUES (1)")
            raise KeyError

    assert await ids(database) == []


@pytest.mark.parametrize("content", [{"a": [1, 2.5, True, None, "ü"]}, [], "text", 7])
async def test_json_is_kept_as_objects(database: Database, content: object) -> None:
    async with database.connection() as connection:
        await connection.execute("INSERT INTO things VALUES (1, $1)", content)
        assert await connection.fetchval("SELECT content FROM things") == content


async def test_json_text_is_kept_without_being_read(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("INSERT INTO things VALUES (1, $1)", b'{"a": {"b": 2}}')
        assert await connection.fetchval("SELECT content #>> '{a,b}' FROM things") == "2"


async def test_a_release_costs_no_round_trip(database: Database) -> None:
    """Seen by what a reset would have undone; that services leave nothing is shown in tests/architecture."""
    async with database.connection() as connection:
        await connection.execute("SET application_name = 'kept'")
    async with database.connection() as connection:
        assert await connection.fetchval("SHOW application_name") == "kept"
        await connection.execute("RESET application_name")


async def test_a_transaction_left_open_does_not_reach_the_next_user(database: Database) -> None:
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    try:
        async with database.connection() as connection:
            await connection.execute("BEGIN")
            await connection.execute("INSERT INTO things (id) VALUES (1)")
    finally:
        loop.set_exception_handler(None)

    assert await ids(database) == []
    assert "active transaction" in complaints[0]


async def test_the_server_ends_a_statement_that_takes_too_long(own_url: str) -> None:
    async with open_database(own_url, application_name="test", pool_min=1, statement_seconds=0.05) as database:
        with pytest.raises(asyncpg.QueryCanceledError) as raised:
            async with database.transaction() as connection:
                await connection.execute("SELECT pg_sleep(10)")
        assert classify(raised.value) is Failure.TRANSIENT
        await database.probe()


async def test_a_deadlock_is_transient(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("INSERT INTO things (id) VALUES (1), (2)")
    both_hold_one = asyncio.Barrier(2)

    async def take(first: int, second: int) -> Failure | None:
        try:
            async with database.transaction() as connection:
                await connection.execute("SELECT FROM things WHERE id = $1 FOR UPDATE", first)
                await both_hold_one.wait()
                await connection.execute("SELECT FROM things WHERE id = $1 FOR UPDATE", second)
        except asyncpg.PostgresError as error:
            return classify(error)
        return None

    failures = await asyncio.gather(take(1, 2), take(2, 1))

    assert set(failures) == {None, Failure.TRANSIENT}


async def test_a_full_pool_is_said_and_counted(database: Database) -> None:
    async with database.connection(), database.connection():
        assert database.states() == {"idle": 0, "used": 2, "waiting": 0}
        third = asyncio.create_task(ids(database))
        async with asyncio.timeout(5):
            while database.states()["waiting"] == 0:
                await asyncio.wait([third], timeout=0.01)
        with pytest.raises(DatabaseUnavailable):
            await third

    assert database.states() == {"idle": 2, "used": 0, "waiting": 0}


async def test_a_connection_that_went_well_is_at_hand_for_the_next_user(database: Database) -> None:
    async with database.connection() as connection:
        first = connection
    async with database.connection() as connection:
        assert connection is first

    assert database.states() == {"idle": 1, "used": 0, "waiting": 0}


async def test_a_session_that_ended_at_hand_is_not_given_out(database: Database, own_url: str) -> None:
    async with database.connection() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    await end_session(own_url, pid)

    async def has_ended() -> bool:
        return _is_lost(connection)

    await eventually(has_ended)

    assert await ids(database) == []


async def test_who_waits_at_the_pool_comes_before_what_is_kept_at_hand(database: Database) -> None:
    async with database.connection():
        async with database.connection():
            waiting = asyncio.create_task(ids(database))
            async with asyncio.timeout(5):
                while database.states()["waiting"] == 0:
                    await asyncio.wait([waiting], timeout=0.01)
        assert await waiting == []


async def test_others_find_a_connection_in_the_pool_however_busy_it_is_here(own_url: str) -> None:
    async with open_database(own_url, application_name="test", pool_min=2, pool_max=4) as database:
        done = asyncio.Event()

        async def busy() -> None:
            while not done.is_set():
                await ids(database)

        others = [asyncio.create_task(busy()) for _ in range(4)]
        try:
            async with asyncio.timeout(5):
                for _ in range(50):
                    assert await database.pool.fetchval("SELECT 1") == 1
        finally:
            done.set()
            await asyncio.gather(*others)


async def test_what_was_lost_at_hand_is_not_counted_as_idle(database: Database, own_url: str) -> None:
    async with database.connection() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    await end_session(own_url, pid)

    async def nothing_used() -> bool:
        return _is_lost(connection) and database.states()["used"] == 0

    assert await eventually(nothing_used)


async def test_what_is_still_used_when_the_pool_closes_does_not_hold_it_up(own_url: str) -> None:
    async with open_database(own_url, application_name="test", pool_min=1, pool_max=2) as database:
        used = database.connection()
        connection = await used.__aenter__()
        await database.release_idle()
        await used.__aexit__(None, None, None)
        assert _is_lost(connection), "kept at hand of a pool that closes"


async def test_a_session_that_the_server_ends_is_replaced(database: Database, own_url: str) -> None:
    other = await asyncpg.connect(own_url)
    with pytest.raises((asyncpg.PostgresError, DatabaseUnavailable)) as raised:
        async with database.transaction() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            await other.fetchval("SELECT pg_terminate_backend($1, 5000)", pid)
            await connection.execute("INSERT INTO things (id) VALUES (1)")
    await other.close()

    assert classify(raised.value) is Failure.LOST
    assert await ids(database) == []
    assert database.states()["used"] == 0


async def test_a_cut_connection_is_unavailability_and_the_next_one_works(proxy: Proxy) -> None:
    async with open_database(proxy.url, application_name="test", pool_min=1, pool_max=2) as database:
        with pytest.raises((DatabaseUnavailable, ConnectionError, asyncpg.PostgresConnectionError)) as raised:
            async with database.transaction() as connection:
                await connection.execute("SELECT 1")
                proxy.cut()
                await connection.execute("SELECT 1")

        assert classify(raised.value) is Failure.LOST
        await database.probe()


async def test_what_is_committed_while_the_line_is_cut_is_unavailability(proxy: Proxy) -> None:
    async with open_database(proxy.url, application_name="test", pool_min=1, pool_max=2) as database:
        with pytest.raises((DatabaseUnavailable, ConnectionError, asyncpg.PostgresConnectionError)) as raised:
            async with database.transaction() as connection:
                await connection.execute("SELECT 1")
                proxy.cut()

        assert classify(raised.value) is Failure.LOST


async def test_a_silent_server_is_unavailability_within_the_limit(proxy: Proxy) -> None:
    async with open_database(
        proxy.url, application_name="test", pool_min=1, pool_max=2, command_timeout_seconds=0.2
    ) as database:
        with pytest.raises(DatabaseUnavailable):
            async with asyncio.timeout(5), database.transaction() as connection:
                await connection.execute("SELECT 1")
                proxy.freeze()
                await connection.execute("SELECT 1")
        assert database.states()["used"] == 0

        proxy.thaw()
        await database.probe()


@pytest.mark.parametrize("within", ["connection", "transaction"])
async def test_a_statement_that_takes_too_long_is_not_taken_for_an_outage(own_url: str, within: str) -> None:
    """Though it holds the last connection of the pool: the server itself is asked whether it answers."""
    async with open_database(
        own_url, application_name="test", pool_min=1, pool_max=1, statement_seconds=60, command_timeout_seconds=0.2
    ) as database:
        with pytest.raises(StatementTimedOut) as raised:
            async with asyncio.timeout(5), getattr(database, within)() as connection:
                await connection.execute("SELECT pg_sleep(60)")
        assert classify(raised.value) is Failure.TRANSIENT
        await database.probe()
        assert database.states()["used"] == 0


async def test_a_commit_that_nobody_answers_is_unavailability(proxy: Proxy) -> None:
    async with open_database(
        proxy.url, application_name="test", pool_min=1, pool_max=2, command_timeout_seconds=0.2
    ) as database:
        with pytest.raises(DatabaseUnavailable):
            async with asyncio.timeout(5), database.transaction() as connection:
                await connection.execute("SELECT 1")
                proxy.freeze()
        proxy.thaw()


async def test_a_probe_does_not_wait_for_a_silent_server(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.database.PROBE_SECONDS", 0.2)
    async with open_database(
        proxy.url, application_name="test", pool_min=1, pool_max=2, command_timeout_seconds=0.5
    ) as database:
        proxy.freeze()
        with pytest.raises(DatabaseUnavailable):
            async with asyncio.timeout(3):
                await database.probe()
        proxy.thaw()


async def test_a_refused_connection_is_unavailability(proxy: Proxy) -> None:
    async with open_database(proxy.url, application_name="test", pool_min=1, pool_max=2) as database:
        proxy.refuse()
        with pytest.raises(DatabaseUnavailable):
            await database.probe()
        proxy.thaw()
        await database.probe()


async def test_a_pool_cannot_be_opened_without_a_server(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(DatabaseUnavailable):
        async with open_database(proxy.url, application_name="test", pool_min=1):
            pass


async def test_a_server_that_takes_no_writes_fails_the_probe(database: Database, own_url: str) -> None:
    name = own_url.rpartition("/")[2]
    async with database.connection() as connection:
        await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    try:
        async with open_database(own_url, application_name="test", pool_min=1) as read_only:
            with pytest.raises(DatabaseUnavailable):
                await read_only.probe()
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as raised:
                async with read_only.transaction() as connection:
                    await connection.execute("INSERT INTO things (id) VALUES (1)")
        assert classify(raised.value) is Failure.DEPENDENCY
    finally:
        async with database.connection() as connection:
            await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')


async def test_a_handlers_refusal_passes_through_unchanged(database: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO things (id) VALUES (1)")
            await connection.execute("INSERT INTO things (id) VALUES (1)")
    with pytest.raises(TimeoutError):
        async with database.transaction() as connection, asyncio.timeout(0.05):
            await connection.execute("SELECT pg_sleep(10)")
    await database.probe()


async def test_json_as_the_server_writes_it_is_made_compact_as_if_it_was_read_and_written(database: Database) -> None:
    dice = random.Random(1)  # noqa: S311 - the same numbers in each run
    floats = [struct.unpack("d", dice.randbytes(8))[0] for _ in range(2_000)]
    finite = [number for number in floats if number - number == 0]
    usual = [dice.uniform(-2_000, 2_000) for _ in range(500)] + [round(dice.uniform(-9, 9), 2) for _ in range(500)]
    tiny = [digits * 10.0**-exponent for exponent in range(1, 12) for digits in (1, 1.5, -7.25)]
    texts = ["".join(chr(character) for character in range(1, 0x3000)), "a : b , c", '\\" 0.000001']
    groups: list[dict[str, object]] = [
        *({"n": number} for number in finite + tiny), {"n": usual}, {text: [text, {}, []] for text in texts},
        {"big": [2**63, 10**30, -(2**64)], "others": [None, True, False, 0, -0.0, 1.0]},
    ]  # fmt: skip
    async with database.connection() as connection:
        records = await connection.fetch(
            "SELECT content::text AS text FROM unnest($1::jsonb[]) AS given (content)",
            [to_json(group) for group in groups],
        )

    assert len(records) == len(groups)
    for record in records:
        assert compact(record["text"]) == to_json(from_json(record["text"]))
