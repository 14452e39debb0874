"""Hashes passwords in a thread pool of its own, so that hashing does not delay other work."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from types import TracebackType
from typing import Self, TypeVar

from workers.auth.hashes import Hashes, PasswordCheck

ResultT = TypeVar("ResultT")


class PasswordsBusy(Exception):
    """The pool's queue is full: try again later."""


class Priority(IntEnum):
    """The order in which waiting jobs run."""

    SIGN_IN = 0  # and the operator's commands
    REGISTRATION = 1


class PasswordPool:
    """Runs *threads* (0: one for each core) hashes at a time and lets *queue* more wait; further ones are refused.

    Waiting jobs run by priority, then first come, first served.
    """

    def __init__(self, hashes: Hashes, *, threads: int = 0, queue: int = 64) -> None:
        threads = threads or os.cpu_count() or 1
        self._hashes = hashes
        self._limit = threads + queue
        self._in_flight = 0
        self._free = threads
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []  # a heap
        self._numbers = count()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords")  # bcrypt releases the GIL

    async def hash(self, password: str, priority: Priority = Priority.SIGN_IN) -> str:
        """Raises ``PasswordsBusy``. *password* has passed ``check_new_password``."""
        return await self._run(lambda: self._hashes.make(password), priority)

    async def check(self, password: str, password_hash: str | None) -> PasswordCheck:
        """Raises ``PasswordsBusy``. Without a hash there is no match, after the same time."""
        return await self._run(lambda: self._hashes.check(password, password_hash))

    def states(self) -> dict[str, int]:
        """For ``PoolMetrics``: hashes running or waiting."""
        return {"in_hand": self._in_flight}

    async def _run(self, work: Callable[[], ResultT], priority: Priority = Priority.SIGN_IN) -> ResultT:
        if self._in_flight >= self._limit:
            raise PasswordsBusy
        self._in_flight += 1
        try:
            await self._acquire_thread(priority)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
            finally:
                self._release_thread()
        finally:
            self._in_flight -= 1

    async def _acquire_thread(self, priority: Priority) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (priority, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # a thread was handed to this job already
                self._release_thread()
            raise

    def _release_thread(self) -> None:
        while self._waiting:
            _, _, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancels waiting jobs, and waits for running ones without blocking the event loop."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
