"""Gathering: what is asked of the database in one turn of the event loop, or while others are served, goes together."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from chassis.database import DatabaseUnavailable

OVERDUE_SECONDS: Final = 0.05  # one group at a time is the cheapest, until one has to wait for somebody's lock
MOST: Final = 16  # in a group: as many as a consumer holds

_ALONE: Final[Any] = object()

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
    *alone*: what who finds no company does in its own task, which spares 18 us for another (2026-11-28). It ends
    when who asked is cancelled, so it is for reads.
    *fitting*: how many of the first that wait may go together, at least one.
    """

    def __init__(
        self,
        carry_out: Callable[[list[Asked[QuestionT, AnswerT]]], Coroutine[Any, Any, None]],
        *,
        name: str,
        alone: Callable[[QuestionT], Awaitable[AnswerT]] | None = None,
        fitting: Callable[[Sequence[QuestionT]], int] = len,
    ) -> None:
        self._carry_out = carry_out
        self._name = name
        self._alone = alone
        self._fitting = fitting
        self._waiting: deque[Asked[QuestionT, AnswerT]] = deque()
        self._groups: set[asyncio.Task[None]] = set()
        self._current: object | None = None  # a group's task, or who goes alone
        self._began = 0.0  # the current one
        self._overdue: asyncio.TimerHandle | None = None
        self._called = False

    async def ask(self, question: QuestionT) -> AnswerT:
        loop = asyncio.get_running_loop()
        one: Asked[QuestionT, AnswerT] = Asked(question, loop.create_future())
        self._waiting.append(one)
        if not self._called:
            self._called = True
            loop.call_soon(self._begin)  # others that are ready in this turn go along
        try:
            answer = await one.future
            if answer is _ALONE and self._alone is not None:
                return await self._alone(question)
            return answer
        finally:
            self._go_on_without(one)

    def _begin(self) -> None:
        self._called = False
        loop = asyncio.get_running_loop()
        if self._current is not None:
            if self._overdue is None and self._waiting:
                self._overdue = loop.call_at(self._began + OVERDUE_SECONDS, self._go_on_without, self._current)
            return
        group = self._next_group()
        if not group:
            return
        self._began = loop.time()
        if len(group) == 1 and self._alone is not None:
            self._current = group[0]
            group[0].future.set_result(_ALONE)
        else:
            task = self._current = asyncio.create_task(self._serve(group), name=self._name)
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)
            task.add_done_callback(self._go_on_without)
        if self._waiting:
            self._begin()

    def _go_on_without(self, current: object) -> None:
        if self._current is current:
            self._current = None
            if self._overdue is not None:
                self._overdue.cancel()
                self._overdue = None
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
