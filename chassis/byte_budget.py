"""How many bytes of large documents one process holds at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


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
