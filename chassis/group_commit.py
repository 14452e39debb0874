"""Group commit: statements that are transactions by themselves go to the database together when they come together.

One way there and back, one commit and one flush of its log then serve them all. What goes wrong in a group is found
out one by one, so that nobody hears of another's mistake.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from chassis import tracing
from chassis.database import Database, DatabaseUnavailable, Trouble, classify

OVERDUE_SECONDS: Final = 0.05  # one group at a time is the cheapest, until one has to wait for somebody's lock
GROUP_SECONDS: Final = 2.0  # then each by itself, with all the time that a statement has
MOST: Final = 16  # statements in a group
LARGE_BYTES: Final = 64 * 1024  # of a group's values; what is larger by itself takes its time, and nobody else's


@dataclass(frozen=True, slots=True)
class _Waiting:
    statement: str
    key: UUID
    values: Sequence[Any]
    answer: "asyncio.Future[Any]"


class GroupCommit:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Waiting] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        self._current: asyncio.Task[None] | None = None
        self._called = False

    async def fetchval(self, statement: str, key: UUID, values: Sequence[Any]) -> Any:
        """The value of the one row that *statement* gives. Raises what it raises by itself.

        *key* names the row that it locks: groups lock in the order of keys, so that no two block each other for good.
        *statement* must be one that finds out itself whether it was carried out before: it may be sent twice.
        """
        if (tracing.ON and tracing.is_recorded()) or _bytes(values) > LARGE_BYTES:
            return await self._alone(statement, values)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Waiting(statement, key, values, answer))
        if not self._called:
            self._called = True
            loop.call_soon(self._begin)  # others that are ready in this turn go along
        return await answer

    def _begin(self) -> None:
        self._called = False
        if self._current is not None:
            return
        group = self._next_group()
        if not group:
            return
        statement = group[0].statement
        task = self._current = asyncio.create_task(self._carry_out(statement, group), name="group commit")
        self._groups.add(task)
        overdue = asyncio.get_running_loop().call_later(OVERDUE_SECONDS, self._go_on_without, task)

        def ended(_: "asyncio.Task[None]") -> None:
            self._groups.discard(task)
            overdue.cancel()
            self._go_on_without(task)

        task.add_done_callback(ended)

    def _go_on_without(self, task: "asyncio.Task[None]") -> None:
        if self._current is task:
            self._current = None
            self._begin()

    def _next_group(self) -> list[_Waiting]:
        """As much as goes out in one write: a group that was sent in part would hold its locks with no limit."""
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < MOST:
            first = self._waiting[0]
            if first.answer.done():  # whoever waited has gone
                self._waiting.popleft()
                continue
            size += _bytes(first.values)
            if group and (first.statement != group[0].statement or size > LARGE_BYTES):
                break
            group.append(self._waiting.popleft())
        return group

    async def _carry_out(self, statement: str, group: list[_Waiting]) -> None:
        """However it ends, nobody is left waiting."""
        try:
            if len(group) == 1 or not await self._together(statement, group):
                await asyncio.gather(*map(self._one_by_one, group))
        finally:
            for one in group:
                _fail(one, DatabaseUnavailable("the group was given up"))

    async def _together(self, statement: str, group: list[_Waiting]) -> bool:
        """Whether all have their answers. False: who or what is to blame is found out one by one.

        That is safe whatever became of the group: each statement sees for itself whether it was carried out.
        """
        group.sort(key=lambda one: one.key)
        try:
            async with self._database.connection() as connection:
                try:
                    rows = await connection.fetchmany(statement, [one.values for one in group], timeout=GROUP_SECONDS)
                except TimeoutError:  # some lock, most likely, for which only one has to wait
                    return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is some member's, or the database's
            if classify(error) is not Trouble.DOWN:
                return False
            for one in group:
                _fail(one, error)
            return True
        for one, row in zip(group, rows, strict=True):
            _answer(one, row[0])
        return True

    async def _one_by_one(self, one: _Waiting) -> None:
        try:
            value = await self._alone(one.statement, one.values)
        except Exception as error:  # noqa: BLE001 - whoever waits for it hears of it
            _fail(one, error)
        else:
            _answer(one, value)

    async def _alone(self, statement: str, values: Sequence[Any]) -> Any:
        async with self._database.connection() as connection:
            return await connection.fetchval(statement, *values)


def _answer(one: _Waiting, value: Any) -> None:
    if not one.answer.done():  # who waited may have been cancelled
        one.answer.set_result(value)


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.answer.done():
        one.answer.set_exception(error)


def _bytes(values: Sequence[Any]) -> int:
    return sum(len(value) for value in values if isinstance(value, bytes | str))
