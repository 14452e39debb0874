"""How many bytes of large documents one process holds at once."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class ByteBudget:
    """First come, first served, so that a large document is not overtaken for ever by smaller ones.

    What is larger than the whole budget goes alone.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.held_bytes = 0

    async def acquire(self, count: int) -> int:
        """Waits until *count* bytes are free; what it returns is to be released."""
        count = min(count, self._max_bytes)
        if not self._waiting and self.held_bytes + count <= self._max_bytes:
            self.held_bytes += count
            return count
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(count)  # its turn came as it was given up
            else:
                self._admit()
            raise
        return count

    def release(self, count: int) -> None:
        self.held_bytes -= count
        self._admit()

    @asynccontextmanager
    async def holding(self, count: int) -> AsyncIterator[None]:
        held = await self.acquire(count)
        try:
            yield
        finally:
            self.release(held)

    def _admit(self) -> None:
        while self._waiting:
            count, turn = self._waiting[0]
            if not turn.done():
                if self.held_bytes + count > self._max_bytes:
                    return
                self.held_bytes += count
                turn.set_result(None)
            self._waiting.popleft()


@dataclass(frozen=True, slots=True)
class Held:
    """What one holder has of a shared budget, until it is released."""

    owner: str
    of_owner: int
    of_all: int


class SharedBudget:
    """A budget of which each owner has a share: one that asks for more waits for itself, and for nobody else."""

    def __init__(self, max_bytes: int, max_bytes_of_one: int) -> None:
        self._all = ByteBudget(max_bytes)
        self._max_bytes_of_one = max_bytes_of_one
        self._owners: dict[str, ByteBudget] = {}
        self._holders: Counter[str] = Counter()  # those that wait included: the owners that must be kept

    @property
    def held_bytes(self) -> int:
        return self._all.held_bytes

    async def acquire(self, owner: str, count: int) -> Held:
        """Waits until *count* bytes are free, of the owner's share first; what it returns is to be released."""
        share = self._owners.setdefault(owner, ByteBudget(self._max_bytes_of_one))
        self._holders[owner] += 1
        of_owner = 0
        try:
            of_owner = await share.acquire(count)
            return Held(owner, of_owner, await self._all.acquire(count))
        except BaseException:
            share.release(of_owner)
            self._forget(owner)
            raise

    def release(self, held: Held) -> None:
        self._all.release(held.of_all)
        self._owners[held.owner].release(held.of_owner)
        self._forget(held.owner)

    def _forget(self, owner: str) -> None:
        self._holders[owner] -= 1
        if not self._holders[owner]:
            del self._holders[owner], self._owners[owner]
