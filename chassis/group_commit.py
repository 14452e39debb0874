"""Group commit: single-statement transactions that are ready together are sent and committed together.

They share one round trip, one commit and one flush of the write-ahead log. If a batch fails, its statements are
executed one by one, so that each caller gets only the error of its own statement.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

from chassis import tracing
from chassis.batching import Batcher, Pending
from chassis.database import Database, classify
from chassis.failures import Failure

BATCH_TIMEOUT_SECONDS: Final = 2.0  # then each statement is executed alone, with its full timeout
LARGE_BYTES: Final = 64 * 1024  # of all values of a batch; a larger statement is executed alone


@dataclass(frozen=True, slots=True)
class _Commit:
    statement: str
    key: UUID
    values: Sequence[Any]


_Waiting: TypeAlias = Pending[_Commit, Any]


class GroupCommit:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher: Batcher[_Commit, Any] = Batcher(
            self._execute, name="group commit", prefix_that_fits=_prefix_that_fits
        )

    async def fetchval(self, statement: str, key: UUID, values: Sequence[Any]) -> Any:
        """Execute *statement* and return the value of its one row. Raises the errors of that statement.

        *key* is the id of the row that it locks: batches lock in the order of keys, so that they do not deadlock.
        *statement* must be idempotent, as it may be sent twice.
        """
        commit = _Commit(statement, key, values)
        if (tracing.ON and tracing.is_recording()) or _bytes(values) > LARGE_BYTES:
            return await self._run_alone(commit)
        return await self._batcher.submit(commit)

    async def _execute(self, batch: list[_Waiting]) -> None:
        if len(batch) == 1 or not await self._execute_together(batch):
            await asyncio.gather(*map(self._execute_alone, batch))

    async def _execute_together(self, batch: list[_Waiting]) -> bool:
        """Whether every item was resolved or failed. If not, execute the items one by one.

        That is safe even if the batch was committed, since each statement is idempotent.
        """
        batch.sort(key=lambda pending: pending.item.key)
        try:
            async with self._database.connection() as connection:
                try:
                    rows = await connection.fetchmany(
                        batch[0].item.statement,
                        [pending.item.values for pending in batch],
                        timeout=BATCH_TIMEOUT_SECONDS,
                    )
                except TimeoutError:  # most likely one statement waits for a lock
                    return False
        except Exception as error:  # noqa: BLE001 - the error of one item, or of the database
            if classify(error) is not Failure.DEPENDENCY:
                return False
            for pending in batch:
                pending.fail(error)
            return True
        for pending, row in zip(batch, rows, strict=True):
            pending.resolve(row[0])
        return True

    async def _execute_alone(self, pending: _Waiting) -> None:
        try:
            value = await self._run_alone(pending.item)
        except Exception as error:  # noqa: BLE001 - raised to the caller
            pending.fail(error)
        else:
            pending.resolve(value)

    async def _run_alone(self, commit: _Commit) -> Any:
        async with self._database.connection() as connection:
            return await connection.fetchval(commit.statement, *commit.values)


def _prefix_that_fits(first: Sequence[_Commit]) -> int:
    """As much as one socket write takes: a batch that is sent in part would hold its locks without a limit."""
    size = 0
    for position, commit in enumerate(first):
        size += _bytes(commit.values)
        if position and (commit.statement != first[0].statement or size > LARGE_BYTES):
            return position
    return len(first)


def _bytes(values: Sequence[Any]) -> int:
    return sum(len(value) for value in values if isinstance(value, bytes | str))
