"""Group commit: statements that are transactions by themselves go to the database together when they come together.

One way there and back, one commit and one flush of its log then serve them all. What goes wrong in a group is found
out one by one, so that nobody hears of another's mistake.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from chassis import tracing
from chassis.database import Database, classify
from chassis.failures import Failure
from chassis.batching import Pending, Batcher

BATCH_TIMEOUT_SECONDS: Final = 2.0  # then each by itself, with all the time that a statement has
LARGE_BYTES: Final = 64 * 1024  # of a group's values; what is larger by itself takes its time, and nobody else's


@dataclass(frozen=True, slots=True)
class _Commit:
    statement: str
    key: UUID
    values: Sequence[Any]


_Waiting: TypeAlias = Pending[_Commit, Any]


class GroupCommit:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher: Batcher[_Commit, Any] = Batcher(self._execute, name="group commit", prefix_that_fits=_prefix_that_fits)

    async def fetchval(self, statement: str, key: UUID, values: Sequence[Any]) -> Any:
        """The value of the one row that *statement* gives. Raises what it raises by itself.

        *key* names the row that it locks: groups lock in the order of keys, so that no two block each other for good.
        *statement* must be one that finds out itself whether it was carried out before: it may be sent twice.
        """
        commit = _Commit(statement, key, values)
        if (tracing.ON and tracing.is_recording()) or _bytes(values) > LARGE_BYTES:
            return await self._run_alone(commit)
        return await self._batcher.submit(commit)

    async def _execute(self, group: list[_Waiting]) -> None:
        if len(group) == 1 or not await self._execute_together(group):
            await asyncio.gather(*map(self._execute_alone, group))

    async def _execute_together(self, group: list[_Waiting]) -> bool:
        """Whether all have their answers. False: who or what is to blame is found out one by one.

        That is safe whatever became of the group: each statement sees for itself whether it was carried out.
        """
        group.sort(key=lambda one: one.item.key)
        try:
            async with self._database.connection() as connection:
                try:
                    rows = await connection.fetchmany(
                        group[0].item.statement, [one.item.values for one in group], timeout=BATCH_TIMEOUT_SECONDS
                    )
                except TimeoutError:  # some lock, most likely, for which only one has to wait
                    return False
        except Exception as error:  # noqa: BLE001 - whatever it is, it is some member's, or the database's
            if classify(error) is not Failure.DEPENDENCY:
                return False
            for one in group:
                one.fail(error)
            return True
        for one, row in zip(group, rows, strict=True):
            one.resolve(row[0])
        return True

    async def _execute_alone(self, one: _Waiting) -> None:
        try:
            value = await self._run_alone(one.item)
        except Exception as error:  # noqa: BLE001 - whoever waits for it hears of it
            one.fail(error)
        else:
            one.resolve(value)

    async def _run_alone(self, commit: _Commit) -> Any:
        async with self._database.connection() as connection:
            return await connection.fetchval(commit.statement, *commit.values)


def _prefix_that_fits(first: Sequence[_Commit]) -> int:
    """As much as goes out in one write: a group that was sent in part would hold its locks with no limit."""
    size = 0
    for position, commit in enumerate(first):
        size += _bytes(commit.values)
        if position and (commit.statement != first[0].statement or size > LARGE_BYTES):
            return position
    return len(first)


def _bytes(values: Sequence[Any]) -> int:
    return sum(len(value) for value in values if isinstance(value, bytes | str))
