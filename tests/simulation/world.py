"""What all parts of a run share: chance, operations, and which process each belongs to."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.simulation.plan import Fault, Kind, Plan

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
USUAL_SECONDS = 0.002  # an operation's mean
SLOW_SECONDS = (0.2, 12.0)  # beyond Redis' patience, up to beyond a lease and a sweep
FROZEN_SECONDS = (0.5, 10.0)
REDIS_CUT_SECONDS = (0.3, 16.0)  # up to beyond a lease and a removal
SILENT = 0.5
OF_A_PROCESS = (Kind.KILL, Kind.CUT, Kind.FREEZE, Kind.REDIS_CUT)

_process: "ContextVar[Process | None]" = ContextVar("process", default=None)


class Over(ConnectionError):
    """The run has ended, and so does whatever still wants something."""


@dataclass(eq=False, slots=True)
class Process:
    """Tasks that die together. A dead one's code may go on until its next operation, which it never gets beyond."""

    name: str
    mortal: bool = True
    alive: bool = True
    frozen_until: float = 0.0
    redis_cut_until: float = 0.0
    redis_is_silent: bool = False  # while it is cut off; else it refuses
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
        self.healed = False
        self.redis_away_until = 0.0
        self.deadlocks = 0  # still to come
        self.deadlocked: Counter[UUID] = Counter()  # by message
        self.poisons = 0  # still to come
        self.poisoned: set[UUID] = set()  # messages that ever were
        self.is_poisoned: set[UUID] = set()  # and that fail until they are parked
        self._faults = list(plan.faults)
        self._strike: Callable[[Fault, Process | None], None] = lambda _fault, _process: None

    def struck_by(self, strike: Callable[[Fault, Process | None], None]) -> None:
        """*strike* carries out what is about more than an operation and what a process knows of itself."""
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
        for fault in self._due(f"{process.name if process else ''} {what}"):
            seconds = self._struck(fault, process, seconds)
        await asyncio.sleep(seconds)
        if process is not None and process.frozen_until > self.now():
            await asyncio.sleep(process.frozen_until - self.now())
        await self._only_if_alive(process)

    def _due(self, operation: str) -> list[Fault]:
        return [
            fault
            for fault in self._faults
            if fault.at <= self.operations and all(word in operation for word in fault.where.split())
        ]

    def _struck(self, fault: Fault, process: Process | None, seconds: float) -> float:
        """How long the operation takes. A fault that needs a process which can die waits for one."""
        if fault.kind in OF_A_PROCESS and (process is None or not process.mortal or not process.alive):
            if not fault.where:
                self._faults.remove(fault)
            return seconds
        self._faults.remove(fault)
        self.fired[fault.kind] += 1
        match fault.kind:
            case Kind.SLOW:
                return self.random.uniform(*SLOW_SECONDS)
            case Kind.FREEZE if process is not None:
                process.frozen_until = self.now() + self.random.uniform(*FROZEN_SECONDS)
            case Kind.REDIS_CUT if process is not None:
                process.redis_cut_until = self.now() + self.random.uniform(*REDIS_CUT_SECONDS)
                process.redis_is_silent = self.random.random() < SILENT
            case _:
                self._strike(fault, process)
        return seconds

    async def _only_if_alive(self, process: Process | None) -> None:
        if self.over:
            raise Over
        if process is not None and not process.alive:
            await asyncio.get_running_loop().create_future()

    def heal(self) -> None:
        """No more faults: from now on everything has its chance to be made good."""
        self._faults.clear()
        self.healed = True

    def _look_at(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.over:
            self.unhandled.append(f"{task.get_name()}: {error!r}")
