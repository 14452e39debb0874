"""Gathering: what is asked of the database in one turn of the event loop, or while others are served, goes together."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from chassis.database import DatabaseUnavailable

OVERDUE_SECONDS: Final = 0.05  # one group at a time is the cheapest, until one has to wait for somebody's lock
MOST: Final = 16  # in a group: as many as a consumer holds

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Asked(Generic[QuestionT, AnswerT]):
    """A question, and who waits for its answer: possibly nobody any more."""

    question: QuestionT
    future: "asyncio.Future[AnswerT]"

    def answer(self, answer: AnswerT) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Gathering(Generic[QuestionT, AnswerT]):
    """One group at a time; one that takes more than ``OVERDUE_SECONDS`` does not hold up the next.

    *carry_out* answers or fails each of a group; whom it leaves waiting, however it ends, hears of that.
    *fitting*: how many of the first that wait may go together, at least one.
    """

    def __init__(
        self,
        carry_out: Callable[[list[Asked[QuestionT, AnswerT]]], Coroutine[Any, Any, None]],
        *,
        name: str,
        fitting: Callable[[Sequence[QuestionT]], int] = len,
    ) -> None:
        self._carry_out = carry_out
        self._name = name
        self._fitting = fitting
        self._waiting: deque[Asked[QuestionT, AnswerT]] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        self._current: asyncio.Task[None] | None = None
        self._called = False

    async def ask(self, question: QuestionT) -> AnswerT:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[AnswerT] = loop.create_future()
        self._waiting.append(Asked(question, future))
        if not self._called:
            self._called = True
            loop.call_soon(self._begin)  # others that are ready in this turn go along
        return await future

    def _begin(self) -> None:
        self._called = False
        if self._current is not None:
            return
        group = self._next_group()
        if not group:
            return
        task = self._current = asyncio.create_task(self._serve(group), name=self._name)
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

    def _next_group(self) -> list[Asked[QuestionT, AnswerT]]:
        first: list[Asked[QuestionT, AnswerT]] = []
        while self._waiting and len(first) < MOST:
            one = self._waiting.popleft()
            if not one.future.done():  # whoever waited may have gone
                first.append(one)
        count = self._fitting([one.question for one in first])
        self._waiting.extendleft(reversed(first[count:]))
        return first[:count]

    async def _serve(self, group: list[Asked[QuestionT, AnswerT]]) -> None:
        try:
            await self._carry_out(group)
        finally:
            for one in group:
                one.fail(DatabaseUnavailable("the group was given up"))
