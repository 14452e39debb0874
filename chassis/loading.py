"""Loading: rows that are asked for together, each by its key, are read by one statement (a DataLoader, in web terms).

Nothing is remembered: a row is read after it was asked for, so that it shows all that was committed before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from chassis import tracing
from chassis.database import classify
from chassis.failures import Failure
from chassis.batching import Pending, Batcher

KeyT = TypeVar("KeyT", bound=Hashable)
RowT = TypeVar("RowT")


class Loader(Generic[KeyT, RowT]):
    """*read* is given up to ``batching.MAX_BATCH`` keys, each once, and leaves out those that have no row.

    A group ends with its largest row: who asks for a small one together with 15 of megabytes waits for them all, who
    asks behind them for 50 ms at most. To split them, their sizes would have to be read first, a second way there and
    back for each; and what all of them hold at once is no more than if each had asked alone.
    """

    def __init__(self, read: Callable[[Sequence[KeyT]], Awaitable[Mapping[KeyT, RowT]]]) -> None:
        self._read = read
        self._batcher: Batcher[KeyT, RowT | None] = Batcher(self._execute, run_alone=self._run_alone, name="loading")

    async def load(self, key: KeyT) -> RowT | None:
        """Raises what reading it alone raises."""
        if tracing.ON and tracing.is_recording():
            return await self._run_alone(key)
        return await self._batcher.submit(key)

    async def _run_alone(self, key: KeyT) -> RowT | None:
        return (await self._read([key])).get(key)

    async def _execute(self, group: list[Pending[KeyT, RowT | None]]) -> None:
        try:
            rows = await self._read(list(dict.fromkeys(one.item for one in group)))
        except Exception as error:  # noqa: BLE001 - who waits hears of it
            if len(group) == 1 or classify(error) in (Failure.DEPENDENCY, Failure.TRANSIENT):
                for one in group:
                    one.fail(error)
            else:  # some row's own fault, possibly: which one's is found out one by one
                await asyncio.gather(*(self._execute([one]) for one in group))
        else:
            for one in group:
                one.resolve(rows.get(one.item))
