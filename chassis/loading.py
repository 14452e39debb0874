"""A DataLoader: rows that are requested together, each by its key, are read by one statement.

Nothing is cached: each row is read after it was requested, so that it shows all that was committed before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from chassis import tracing
from chassis.batching import Batcher, Pending
from chassis.database import classify
from chassis.failures import Failure

KeyT = TypeVar("KeyT", bound=Hashable)
RowT = TypeVar("RowT")


class Loader(Generic[KeyT, RowT]):
    """*read* takes up to ``batching.MAX_BATCH`` distinct keys and returns the rows that exist.

    A batch takes as long as its largest row: a small row that is read together with 15 rows of megabytes waits for all
    of them; a row that is requested later waits 50 ms at most. Batches are not split by size: that would cost a second
    round trip to read the sizes, and a batch needs no more memory than its rows read one by one at the same time.
    """

    def __init__(self, read: Callable[[Sequence[KeyT]], Awaitable[Mapping[KeyT, RowT]]]) -> None:
        self._read = read
        self._batcher: Batcher[KeyT, RowT | None] = Batcher(self._execute, run_alone=self._run_alone, name="loading")

    async def load(self, key: KeyT) -> RowT | None:
        """The row of *key*; None if there is none. Raises the errors of *read*."""
        if tracing.ON and tracing.is_recording():
            return await self._run_alone(key)
        return await self._batcher.submit(key)

    async def _run_alone(self, key: KeyT) -> RowT | None:
        return (await self._read([key])).get(key)

    async def _execute(self, batch: list[Pending[KeyT, RowT | None]]) -> None:
        try:
            rows = await self._read(list(dict.fromkeys(pending.item for pending in batch)))
        except Exception as error:  # noqa: BLE001 - raised to the callers
            if len(batch) == 1 or classify(error) in (Failure.DEPENDENCY, Failure.TRANSIENT):
                for pending in batch:
                    pending.fail(error)
            else:  # possibly the error of one row: read them one by one
                await asyncio.gather(*(self._execute([pending]) for pending in batch))
        else:
            for pending in batch:
                pending.resolve(rows.get(pending.item))
