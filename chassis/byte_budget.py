"""Bounds the bytes of large documents that one process has in memory."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class ByteBudget:
    """First in, first out, so that smaller documents never starve a large one.

    A document that is larger than the whole budget waits until it is the only one.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.held_bytes = 0

    async def acquire(self, count: int) -> int:
        """Wait until *count* bytes are free. Release what it returns."""
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
                self.release(count)  # its turn came together with the cancellation
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
    """One holder's bytes of a shared budget, to be released."""

    owner: str
    of_owner: int
    of_all: int


class SharedBudget:
    """A budget with a maximum for each owner: an owner that exceeds it waits only for its own documents."""

    def __init__(self, max_bytes: int, max_bytes_of_one: int) -> None:
        self._all = ByteBudget(max_bytes)
        self._max_bytes_of_one = max_bytes_of_one
        self._owners: dict[str, ByteBudget] = {}
        self._holders: Counter[str] = Counter()  # also those that wait: their owners' entries must stay

    @property
    def held_bytes(self) -> int:
        return self._all.held_bytes

    async def acquire(self, owner: str, count: int) -> Held:
        """Wait until *count* bytes are free, first of the owner's share. Release what it returns."""
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
