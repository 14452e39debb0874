"""What is asked for in one turn is read once, and never shown to who asks later."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from chassis import batching, tracing
from chassis.batching import MAX_BATCH
from chassis.database import DatabaseUnavailable
from chassis.loading import Loader


class Table:
    """Rows by key. A read sees what is there when it begins, and ends once it may."""

    def __init__(self, **rows: int) -> None:
        self.rows = rows
        self.reads: list[tuple[str, ...]] = []
        self.fails: Mapping[str, Exception] = {}
        self.reading: asyncio.Task[Any] | None = None
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def read(self, keys: Sequence[str]) -> dict[str, int]:
        self.reads.append(tuple(keys))
        self.reading = asyncio.current_task()
        self.began.set()
        found = {key: self.rows[key] for key in keys if key in self.rows}
        await self.may_end.wait()
        for key in keys:
            if key in self.fails:
                raise self.fails[key]
        return found


async def all_of(rows: Loader[str, int], *keys: str) -> list[int | BaseException | None]:
    return await asyncio.gather(*map(rows.load, keys), return_exceptions=True)


async def a_read_under_way(table: Table, rows: Loader[str, int], *keys: str) -> list["asyncio.Task[int | None]"]:
    table.may_end.clear()
    asking = [asyncio.create_task(rows.load(key)) for key in keys]
    await table.began.wait()
    return asking


@pytest.fixture
def never_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is held up stays so."""
    monkeypatch.setattr(batching, "OVERDUE_SECONDS", 60.0)


async def test_what_is_asked_in_one_turn_is_one_read_and_each_gets_its_own() -> None:
    table = Table(a=1, b=2, c=3)

    assert await all_of(Loader(table.read), "a", "b", "c") == [1, 2, 3]
    assert table.reads == [("a", "b", "c")]


async def test_what_is_not_there_is_none_and_the_others_are_there() -> None:
    assert await all_of(Loader(Table(a=1, c=3).read), "a", "b", "c") == [1, None, 3]


async def test_a_key_that_several_ask_for_is_read_once() -> None:
    table = Table(a=1, b=2)

    assert await all_of(Loader(table.read), "a", "b", "a") == [1, 2, 1]
    assert table.reads == [("a", "b")]


async def test_a_read_has_its_most_and_the_rest_follows() -> None:
    keys = [f"k{number}" for number in range(MAX_BATCH + 1)]
    table = Table(**{key: number for number, key in enumerate(keys)})

    assert await all_of(Loader(table.read), *keys) == list(range(MAX_BATCH + 1))
    assert table.reads == [tuple(keys[:MAX_BATCH]), tuple(keys[MAX_BATCH:])]


async def test_a_key_asked_while_it_is_read_is_read_again() -> None:
    table = Table(a=1)
    rows = Loader(table.read)
    (before,) = await a_read_under_way(table, rows, "a")
    table.rows["a"] = 2
    after = asyncio.create_task(rows.load("a"))
    await asyncio.sleep(0)
    table.may_end.set()

    assert (await before, await after) == (1, 2)


async def test_nothing_is_remembered() -> None:
    table = Table(a=1)
    rows = Loader(table.read)
    await rows.load("a")
    table.rows["a"] = 2

    assert await rows.load("a") == 2


async def test_those_that_come_during_a_read_are_the_next_together() -> None:
    table = Table(a=1, b=2, c=3)
    rows = Loader(table.read)
    (first,) = await a_read_under_way(table, rows, "a")
    others = []
    for key in ("b", "c"):
        others.append(asyncio.create_task(rows.load(key)))
        for _ in range(10):  # turns, in which nothing begins beside it
            await asyncio.sleep(0)
    table.may_end.set()

    assert await asyncio.gather(first, *others) == [1, 2, 3]
    assert table.reads == [("a",), ("b", "c")]


async def test_a_read_that_takes_long_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "OVERDUE_SECONDS", 0.01)
    table = Table(a=1, b=2)
    rows = Loader(table.read)
    (long,) = await a_read_under_way(table, rows, "a")
    long_may_end, table.may_end = table.may_end, asyncio.Event()
    table.may_end.set()

    assert await asyncio.wait_for(rows.load("b"), 5) == 2
    assert not long.done()
    long_may_end.set()
    assert await long == 1


@pytest.mark.usefixtures("never_overdue")
async def test_whoever_asks_when_a_read_takes_long_already_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(a=1, b=2)
    rows = Loader(table.read)
    (long,) = await a_read_under_way(table, rows, "a")
    long_may_end, table.may_end = table.may_end, asyncio.Event()
    table.may_end.set()
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + batching.OVERDUE_SECONDS)

    assert await asyncio.wait_for(rows.load("b"), 5) == 2
    assert not long.done()
    long_may_end.set()
    assert await long == 1


async def test_when_the_database_is_away_all_hear_that_and_it_is_asked_once() -> None:
    table = Table(a=1, b=2)
    away = DatabaseUnavailable("no answer")
    table.fails = {"a": away}

    assert await all_of(Loader(table.read), "a", "b") == [away, away]
    assert table.reads == [("a", "b")]


async def test_nobody_hears_of_anothers_row_that_cannot_be_read() -> None:
    table = Table(a=1, b=2, c=3)
    broken = ValueError("not JSON")
    table.fails = {"b": broken}

    assert await all_of(Loader(table.read), "a", "b", "c") == [1, broken, 3]


async def test_who_goes_away_takes_nobody_along() -> None:
    table = Table(a=1, b=2)
    going, staying = await a_read_under_way(table, Loader(table.read), "a", "b")
    going.cancel()
    table.may_end.set()

    assert await asyncio.wait_for(staying, 5) == 2
    with pytest.raises(asyncio.CancelledError):
        await going


@pytest.mark.usefixtures("never_overdue")
async def test_who_goes_away_alone_holds_up_nobody() -> None:
    table = Table(a=1, b=2)
    rows = Loader(table.read)
    (going,) = await a_read_under_way(table, rows, "a")
    going.cancel()
    table.may_end.set()

    assert await asyncio.wait_for(rows.load("b"), 5) == 2
    assert going.cancelled()


@pytest.mark.usefixtures("never_overdue")
async def test_who_goes_away_when_its_read_was_to_begin_holds_up_nobody() -> None:
    table = Table(a=1, b=2)
    rows = Loader(table.read)
    for turns in range(5):
        going = asyncio.create_task(rows.load("a"))
        for _ in range(turns):
            await asyncio.sleep(0)
        going.cancel()

        assert await asyncio.wait_for(rows.load("b"), 5) == 2


@pytest.mark.usefixtures("never_overdue")
async def test_alone_a_failure_is_heard_and_the_next_is_read() -> None:
    table = Table(a=1, b=2)
    table.fails = {"a": DatabaseUnavailable("no answer")}
    rows = Loader(table.read)

    with pytest.raises(DatabaseUnavailable):
        await rows.load("a")
    assert await asyncio.wait_for(rows.load("b"), 5) == 2


async def test_for_who_has_gone_before_nothing_is_read() -> None:
    table = Table(a=1, b=2)
    rows = Loader(table.read)
    going, staying = (asyncio.create_task(rows.load(key)) for key in ("a", "b"))
    await asyncio.sleep(0)
    going.cancel()

    assert await asyncio.wait_for(staying, 5) == 2
    assert table.reads == [("b",)]


async def test_however_a_read_ends_nobody_is_left_waiting() -> None:
    table = Table(a=1, b=2)
    asking = await a_read_under_way(table, Loader(table.read), "a", "b")
    assert table.reading is not None
    table.reading.cancel()
    done, _ = await asyncio.wait(asking, timeout=5)

    assert [type(task.exception()) for task in done] == [DatabaseUnavailable] * 2


async def test_what_is_traced_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "ON", True)
    recorded = iter((False, True, False))
    monkeypatch.setattr(tracing, "is_recording", lambda: next(recorded))
    table = Table(a=1, b=2, c=3)

    assert await all_of(Loader(table.read), "a", "b", "c") == [1, 2, 3]
    assert sorted(table.reads) == [("a", "c"), ("b",)]
