"""What all parts of a run share: chance, operations, and which process each belongs to."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.simulation.plan import Fault, Kind, Plan

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
USUAL_SECONDS = 0.002  # an operation's mean
SLOW_SECONDS = (0.2, 12.0)  # beyond Redis' patience, up to beyond a lease and a sweep
FROZEN_SECONDS = (0.5, 10.0)

_process: "ContextVar[Process | None]" = ContextVar("process", default=None)


class Over(ConnectionError):  # noqa: N818 - states what is so
    """The run has ended, and so does whatever still wants something."""


@dataclass(eq=False, slots=True)
class Process:
    """Tasks that die together. A dead one's code may go on until its next operation, which it never gets beyond."""

    name: str
    mortal: bool = True
    alive: bool = True
    frozen_until: float = 0.0
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)


class World:
    def __init__(self, plan: Plan) -> None:
        self.random = Random(plan.seed)  # noqa: S311 - a simulation
        self.fired: Counter[Kind] = Counter()
        self.seen: Counter[str] = Counter()
        self.unhandled: list[str] = []
        self.trace: list[str] = []
        self.operations = 0
        self.over = False
        self.redis_away_until = 0.0
        self._faults: dict[int, list[Fault]] = {}
        for fault in plan.faults:
            self._faults.setdefault(fault.at, []).append(fault)
        self._strike: Callable[[Fault, Process | None], bool] = lambda _fault, _process: False

    def struck_by(self, strike: Callable[[Fault, Process | None], bool]) -> None:
        """*strike* carries out what is not about an operation or a process alone; says whether it could."""
        self._strike = strike

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    def clock(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now())

    @staticmethod
    def process() -> Process | None:
        return _process.get()

    def start(self, process: Process, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        token = _process.set(process)
        try:
            task = asyncio.create_task(work, name=f"{process.name}: {name}")
        finally:
            _process.reset(token)
        process.tasks.add(task)
        task.add_done_callback(process.tasks.discard)
        task.add_done_callback(self._look_at)
        return task

    async def way(self, what: str) -> None:
        """One operation: it takes its time, whatever is to go wrong goes wrong, and the dead never come back."""
        process = _process.get()
        await self._only_if_alive(process)
        self.operations += 1
        self.trace.append(f"{self.now():.6f} {process.name if process else '-'} {what}")
        seconds = self.random.expovariate(1 / USUAL_SECONDS)
        for fault in self._faults.pop(self.operations, ()):
            if fault.kind is Kind.SLOW:
                seconds = self.random.uniform(*SLOW_SECONDS)
                self.fired[fault.kind] += 1
            elif fault.kind is Kind.FREEZE:
                if process is not None and process.mortal:
                    process.frozen_until = self.now() + self.random.uniform(*FROZEN_SECONDS)
                    self.fired[fault.kind] += 1
            elif self._strike(fault, process):
                self.fired[fault.kind] += 1
        await asyncio.sleep(seconds)
        if process is not None and process.frozen_until > self.now():
            await asyncio.sleep(process.frozen_until - self.now())
        await self._only_if_alive(process)

    async def _only_if_alive(self, process: Process | None) -> None:
        if self.over:
            raise Over
        if process is not None and not process.alive:
            await asyncio.get_running_loop().create_future()

    def heal(self) -> None:
        """No more faults: from now on everything has its chance to be made good."""
        self._faults.clear()

    def _look_at(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.over:
            self.unhandled.append(f"{task.get_name()}: {error!r}")
