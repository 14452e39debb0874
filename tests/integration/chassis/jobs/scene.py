"""Runners of a small service: each job paints a picture, which is an effect that can be counted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from chassis import failpoints
from chassis.database import Database
from chassis.jobs.job import Job
from chassis.jobs.metrics import JobMetrics
from chassis.jobs.runner import JobRun, JobRunner
from chassis.unit_of_work import Ledger
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Event
from tests.integration.chassis.bus.scene import NotedCaches, NotedRelay

USER = Actor(kind=ActorKind.USER, id=UUID(int=1))
LEASE_SECONDS = 1.0


class PaintLater(Job):
    name: ClassVar[str] = "paint_later"
    max_attempts: ClassVar[int] = 3
    max_in_flight: ClassVar[int] = 8
    colour: str


class PaintedLater(Event):
    wire_name: ClassVar[str] = "autograph.diagram.painted_later.v1"
    colour: str


Body = Callable[[JobRun], Awaitable[None]]


async def _nothing(_: JobRun) -> None: ...


@dataclass
class Painter:
    """A handler: ``body`` first, which a test chooses, and then the effect in the fenced end."""

    body: Body = _nothing
    runs: list[JobRun] = field(default_factory=list)

    async def paint(self, job: PaintLater, run: JobRun) -> None:
        self.runs.append(run)
        if failpoints.ARMED:
            await failpoints.reached("in_job", job.name)
        await self.body(run)
        async with run.end() as work:
            await work.connection.execute("INSERT INTO pictures VALUES ($1, $2)", run.id, job.colour)
            work.publish(PaintedLater(colour=job.colour), subject=f"picture/{run.id}", sequence=1)
            if failpoints.ARMED:
                await failpoints.reached("in_job_end", job.name)


class Scene:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.registry = CollectorRegistry()
        self.metrics = JobMetrics(self.registry)
        self.happened: list[str] = []
        self.relay = NotedRelay(self.happened)
        self.ledger = Ledger(database, "diagram", NotedCaches(self.happened), self.relay, lambda: datetime.now(UTC))

    def runner(self, painter: Painter | None = None, **options: Any) -> JobRunner:
        given = {"sweep_every_seconds": 0.05, "backoff_seconds": 0.05, "lease_seconds": LEASE_SECONDS} | options
        runner = JobRunner(
            service="diagram",
            database=self.database,
            ledger=self.ledger,
            metrics=self.metrics,
            clock=lambda: datetime.now(UTC),
            **given,
        )
        if painter is not None:
            runner.handle(PaintLater, painter.paint)
        return runner

    async def enqueue(self, colour: str = "red", *, delay_seconds: float = 0.0) -> UUID:
        """As a command does: with its inbox row, in one transaction."""
        async with self.ledger.unit_of_work(envelope()) as work:
            return work.enqueue(PaintLater(colour=colour), delay_seconds=delay_seconds)

    async def row(self, job: UUID) -> dict[str, Any]:
        async with self.database.connection() as connection:
            record = await connection.fetchrow("SELECT * FROM jobs WHERE id = $1", job)
        assert record is not None
        return dict(record)

    async def state(self, job: UUID) -> str:
        return str((await self.row(job))["state"])

    async def is_(self, job: UUID, state: str) -> bool:
        return await self.state(job) == state

    async def count(self, query: str) -> int:
        async with self.database.connection() as connection:
            number: int = await connection.fetchval(query)
            return number

    async def pictures(self) -> int:
        return await self.count("SELECT count(*) FROM pictures")

    async def events(self) -> int:
        return await self.count("SELECT count(*) FROM outbox")

    def counted(self, outcome: str, kind: str = PaintLater.name) -> int:
        labels = {"kind": kind, "outcome": outcome}
        return int(self.registry.get_sample_value("autograph_job_runs_total", labels) or 0)


def envelope() -> Envelope:
    return Envelope(
        id=uuid7(),
        source="/gateway",
        type="autograph.diagram.paint.v1",
        time=datetime.now(UTC),
        correlationid=f"c-{uuid4().hex}",
        actor=USER,
    )


@asynccontextmanager
async def running(*runners: JobRunner) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
