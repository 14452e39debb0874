"""Gathering: what is asked of the database in one turn of the event loop, or while others are served, goes together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from chassis.database import DatabaseUnavailable

OVERDUE_SECONDS: Final = 0.05  # one group at a time is the cheapest, until one has to wait for somebody's lock
MAX_BATCH: Final = 16  # in a group: as many as a consumer holds

_RUN_ALONE: Final[Any] = object()

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Pending(Generic[ItemT, ResultT]):
    """A question, and who waits for its answer: possibly nobody any more."""

    item: ItemT
    future: "asyncio.Future[AnswerT]"

    def resolve(self, result: ResultT) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Batcher(Generic[ItemT, ResultT]):
    """One group at a time; one that takes more than ``OVERDUE_SECONDS`` does not hold up the next.

    *carry_out* answers or fails each of a group; whom it leaves waiting, however it ends, hears of that.
    *alone*: what who finds no company does in its own task, which spares 18 us for another (2026-11-28). It ends
    when who asked is cancelled, so it is for reads.
    *fitting*: how many of the first that wait may go together, at least one.
    """

    def __init__(
        self,
        execute: Callable[[list[Pending[ItemT, ResultT]]], Coroutine[Any, Any, None]],
        *,
        name: str,
        run_alone: Callable[[ItemT], Awaitable[ResultT]] | None = None,
        prefix_that_fits: Callable[[Sequence[ItemT]], int] = len,
    ) -> None:
        self._execute = execute
        self._name = name
        self._run_alone = run_alone
        self._prefix_that_fits = prefix_that_fits
        self._waiting: deque[Pending[ItemT, ResultT]] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        self._current: object | None = None  # a group's task, or who goes alone
        self._began = 0.0  # the current one
        self._overdue: asyncio.TimerHandle | None = None
        self._scheduled = False

    async def submit(self, item: ItemT) -> ResultT:
        loop = asyncio.get_running_loop()
        one: Pending[ItemT, ResultT] = Pending(item, loop.create_future())
        self._waiting.append(one)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._begin)  # others that are ready in this turn go along
        try:
            result = await one.future
            if result is _RUN_ALONE and self._run_alone is not None:
                return await self._run_alone(item)
            return result
        finally:
            self._release(one)

    def _begin(self) -> None:
        self._scheduled = False
        loop = asyncio.get_running_loop()
        if self._current is not None:
            if self._overdue is None and self._waiting:
                self._overdue = loop.call_at(self._began + OVERDUE_SECONDS, self._release, self._current)
            return
        group = self._next_group()
        if not group:
            return
        self._began = loop.time()
        if len(group) == 1 and self._run_alone is not None:
            self._current = group[0]
            group[0].future.set_result(_RUN_ALONE)
        else:
            task = self._current = asyncio.create_task(self._serve(group), name=self._name)
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)
            task.add_done_callback(self._release)
        if self._waiting:
            self._begin()

    def _release(self, current: object) -> None:
        if self._current is current:
            self._current = None
            if self._overdue is not None:
                self._overdue.cancel()
                self._overdue = None
            self._begin()

    def _next_group(self) -> list[Pending[ItemT, ResultT]]:
        first: list[Pending[ItemT, ResultT]] = []
        while self._waiting and len(first) < MAX_BATCH:
            one = self._waiting.popleft()
            if not one.future.done():  # whoever waited may have gone
                first.append(one)
        count = self._prefix_that_fits([one.item for one in first])
        self._waiting.extendleft(reversed(first[count:]))
        return first[:count]

    async def _serve(self, group: list[Pending[ItemT, ResultT]]) -> None:
        try:
            await self._execute(group)
        finally:
            for one in group:
                one.fail(DatabaseUnavailable("the group was given up"))
