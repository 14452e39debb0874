"""Runs a service's jobs: leased in batches, kept by a heartbeat, ended in one fenced transaction.

An effect inside ``JobRun.end`` happens once. Whatever a handler does before it (a call to the outside) happens at least
once: a process may die between the two.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from chassis import failpoints
from chassis.bus.headers import service_user
from chassis.database import Connection, Database, classify
from chassis.failures import Failure, error_location
from chassis.jobs import storage
from chassis.jobs.job import Cancel, Job, JobEnvelope, LeaseLost, Snooze
from chassis.jobs.metrics import JobMetrics
from chassis.jobs.storage import LeasedJob
from chassis.logging import bind, logger
from chassis.unit_of_work import Ledger, UnitOfWork
from contracts.envelope import Actor, ActorKind, Envelope, producer_id

SWEEP_EVERY_SECONDS: Final = 1.0
MEASURE_EVERY_SECONDS: Final = 15.0
LEASE_SECONDS: Final = 30.0  # after which the jobs of a process that died are taken over
RENEWALS: Final = 3  # in a lease's time
LEASE_MARGIN: Final = 0.1  # of a lease's time: a run stops so long before another runner may take its job
BACKOFF_SECONDS: Final = 1.0  # after the first failure, then twice as long each time
BACKOFF_MAX_SECONDS: Final = 3600.0
BACKOFF_JITTER: Final = 0.1
DRAIN_SHARE: Final = 0.5  # of the drain's time, after which jobs in flight are released
STALLED_SECONDS: Final = 60.0  # without a sweep: not healthy

JobT = TypeVar("JobT", bound=Job)
log = logger(__name__)


class Ended(StrEnum):
    """How a run ended, as the metrics count it."""

    SUCCEEDED = "succeeded"
    SNOOZED = "snoozed"
    RETRIED = "retried"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEASE_LOST = "lease_lost"
    RELEASED = "released"


@dataclass(slots=True)
class _Lease:
    """This process' part of a lease: when it must be renewed, and whether that still matters."""

    job: UUID
    token: UUID
    ends_at: float  # of the event loop's clock, before its end in the database
    task: "asyncio.Task[None] | None" = None
    expiry: asyncio.TimerHandle | None = None
    ending: bool = False  # its end is being written, or is written: a token that is gone says nothing
    fenced: bool = False  # the end's transaction has locked the row: nobody else can take the job
    ended: bool = False
    lost: bool = False

    def hold_until(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.release()
        self.expiry = asyncio.get_running_loop().call_at(ends_at, self._expire)

    def release(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()

    def lose(self) -> None:
        if self.task is not None and not self.task.done():
            self.lost = True
            self.task.cancel()

    def not_ended(self) -> None:
        """Its end was rolled back."""
        self.ending = self.fenced = False
        if asyncio.get_running_loop().time() >= self.ends_at:
            self.lose()

    def _expire(self) -> None:
        if not self.fenced:
            self.lose()


@dataclass(slots=True)
class JobRun:
    """One attempt, as its handler sees it."""

    id: UUID
    attempt: int  # from 1
    failures: int  # in a row, before this attempt
    snoozes: int
    created_at: datetime
    envelope: Envelope  # of the message whose handler enqueued the job; the service's own for a schedule
    _ledger: Ledger
    _lease: _Lease
    _name: str

    @property
    def ended(self) -> bool:
        return self._lease.ended

    @asynccontextmanager
    async def end(self) -> AsyncIterator[UnitOfWork]:
        """The transaction in which the job ends: its state, events, and further jobs commit with the end, or not.

        Raises ``LeaseLost`` before the body runs if somebody else has the job. A handler that has nothing to write need
        not call it.
        """
        if failpoints.ARMED:
            await failpoints.reached("before_job_end", self._name)
        lease = self._lease
        lease.ending = True
        try:
            async with self._ledger.transaction(self.envelope) as work:
                if not await storage.end(work.connection, self.id, lease.token):
                    raise LeaseLost  # noqa: TRY301 - the transaction is rolled back by it
                lease.fenced = True
                yield work
        except BaseException:
            lease.not_ended()
            raise
        lease.ended = True
        if failpoints.ARMED:
            await failpoints.reached("after_job_end", self._name)


JobHandler = Callable[[JobT, JobRun], Awaitable[None]]


@dataclass(slots=True)
class _Kind(Generic[JobT]):
    job: type[JobT]
    handler: JobHandler[JobT]
    in_flight: int = 0


@dataclass(slots=True, kw_only=True)
class JobRunner:
    """Of one process. Jobs whose names it does not know stay for another release's processes."""

    service: str
    database: Database
    ledger: Ledger
    metrics: JobMetrics
    clock: Callable[[], datetime]
    lease_seconds: float = LEASE_SECONDS
    sweep_every_seconds: float = SWEEP_EVERY_SECONDS
    backoff_seconds: float = BACKOFF_SECONDS
    drain_seconds: float = 10.0
    _kinds: dict[str, _Kind[Any]] = field(default_factory=dict)
    _schedules: dict[str, tuple[Job, float]] = field(default_factory=dict)
    _in_flight: dict[UUID, _Lease] = field(default_factory=dict)  # by token: one job twice, if its lease was lost
    _work: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _taking: bool = True
    _swept_at: float = field(default_factory=time.monotonic)
    _measured_at: float = float("-inf")

    def handle(self, job: type[JobT], handler: JobHandler[JobT]) -> None:
        """*handler* ends by returning (succeeded), or raises ``Snooze``, ``Cancel``, or an error that is retried."""
        if job.name in self._kinds:
            raise ValueError(f"there is already a handler of the job {job.name}")
        self._kinds[job.name] = _Kind(job, handler)

    def schedule(self, job: Job, handler: JobHandler[Any], *, every_seconds: float) -> None:
        """Runs *job* every *every_seconds* in one process of the service; slots that nobody could run are skipped."""
        self.handle(type(job), handler)
        self._schedules[job.name] = (job, every_seconds)

    def wake(self) -> None:
        """There may be a job that is due: called after each commit that enqueued one."""
        self._work.set()

    async def run(self) -> None:
        """For as long as the process. Releases what is in flight when it is cancelled."""
        heartbeat = asyncio.create_task(self._renew_leases(), name="job heartbeat")
        failing = False
        try:
            while True:
                self._work.clear()
                try:
                    await self._sweep()
                    failing = False
                except Exception as error:  # noqa: BLE001 - an outage of the database must not end the runner
                    if not failing:
                        log.warning("job_sweep_failed", error=error_location(error))
                    failing = True
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.sweep_every_seconds):
                        await self._work.wait()
        finally:
            heartbeat.cancel()
            await self._release()

    async def stop_taking(self) -> None:
        """Jobs that a sweep leases just now are released when it returns."""
        self._taking = False

    async def drain(self) -> None:
        """Takes no more, waits for what is in flight for ``drain_seconds``, and releases the rest for others."""
        await self.stop_taking()
        if self._in_flight:
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self.drain_seconds):
                    await self._idle.wait()
        await self._release()

    async def check(self) -> None:
        """For health: raises ``RuntimeError`` if no sweep has succeeded for a minute."""
        if time.monotonic() - self._swept_at > STALLED_SECONDS:
            raise RuntimeError(f"no sweep for {STALLED_SECONDS:.0f} s")

    async def _sweep(self) -> None:
        async with self.database.connection() as connection:
            while self._schedules:
                job, every_seconds = next(iter(self._schedules.values()))
                await storage.schedule(connection, job, every_seconds)
                del self._schedules[job.name]
            room = {name: kind.job.max_in_flight - kind.in_flight for name, kind in self._kinds.items()}
            room = {name: free for name, free in room.items() if free > 0}
            leased: list[LeasedJob] = []
            began = 0.0
            if room and self._taking:
                if failpoints.ARMED:
                    await failpoints.reached("before_job_claim")
                began = asyncio.get_running_loop().time()
                leased = await storage.claim(connection, room, self.lease_seconds)
                if leased and not self._taking:
                    await storage.release(connection, {one.token: one.id for one in leased})  # type: ignore[unreachable]  # the stop began meanwhile
                    return
            if time.monotonic() - self._measured_at >= MEASURE_EVERY_SECONDS:
                self.metrics.show(await storage.count(connection))
                self._measured_at = time.monotonic()
        self._swept_at = time.monotonic()
        if failpoints.ARMED and leased:
            await failpoints.reached("after_job_claim", leased[0].name)
        for one in leased:
            self._start(one, began)

    def _start(self, leased: LeasedJob, began: float) -> None:
        kind = self._kinds[leased.name]
        kind.in_flight += 1
        lease = _Lease(leased.id, leased.token, began)
        task = asyncio.create_task(self._run_counted(leased, kind, lease), name=f"job {leased.name}")
        lease.task = task
        lease.hold_until(self._end_of_lease(began))
        self._in_flight[leased.token] = lease

        def ended(_: "asyncio.Task[None]") -> None:
            kind.in_flight -= 1
            lease.release()
            del self._in_flight[leased.token]
            if not self._in_flight:
                self._idle.set()
            self._work.set()

        task.add_done_callback(ended)

    def _end_of_lease(self, began: float) -> float:
        """*began*: before the database was asked for it, so that the lease there ends later."""
        return began + self.lease_seconds * (1 - LEASE_MARGIN)

    async def _run_counted(self, leased: LeasedJob, kind: _Kind[Any], lease: _Lease) -> None:
        began = time.perf_counter()
        with bind(correlation_id=_correlation_id(leased), job=leased.name, job_id=str(leased.id)):
            try:
                ended = await self._run(leased, kind, lease)
            except asyncio.CancelledError:
                ended = Ended.LEASE_LOST if lease.lost else Ended.SUCCEEDED if lease.ended else Ended.RELEASED
            except Exception as error:  # noqa: BLE001 - its end could not be written: the lease runs out, and it is run again
                log.warning("job_end_not_written", error=error_location(error))
                ended = Ended.LEASE_LOST
            self.metrics.runs.labels(leased.name, ended.value).inc()
            self.metrics.seconds.labels(leased.name).observe(time.perf_counter() - began)
            if ended in (Ended.SUCCEEDED, Ended.FAILED):
                self.metrics.attempts.labels(leased.name).observe(leased.attempt)
            log.info("job_ended", outcome=ended.value, attempt=leased.attempt)

    async def _run(self, leased: LeasedJob, kind: _Kind[Any], lease: _Lease) -> Ended:
        if leased.attempt > kind.job.max_attempts:  # each ended with its process: it may be what kills them
            return await self._fail(lease, "its process died each time", retry_seconds=None)
        try:
            run = JobRun(
                leased.id, leased.attempt, leased.failures, leased.snoozes, leased.created_at, self._envelope(leased),
                self.ledger, lease, leased.name,
            )  # fmt: skip
            await kind.handler(kind.job.model_validate(leased.arguments), run)
            if not run.ended:
                async with run.end():
                    pass
        except LeaseLost:
            return Ended.LEASE_LOST
        except Snooze as snooze:
            write = partial(storage.snooze, seconds=snooze.seconds)
            return await self._write_end(lease, write, Ended.SNOOZED)
        except Cancel as cancel:
            write = partial(storage.cancel, reason=cancel.reason)
            return await self._write_end(lease, write, Ended.CANCELLED)
        except Exception as error:  # noqa: BLE001 - every failure is tried again, until the attempts are spent
            if not lease.ended:
                return await self._failed(leased, kind, lease, error)
            log.warning("job_failed_after_its_end", error=error_location(error))  # what comes after it is nobody's loss
        return Ended.SUCCEEDED

    async def _failed(self, leased: LeasedJob, kind: _Kind[Any], lease: _Lease, error: Exception) -> Ended:
        spent = leased.attempt >= kind.job.max_attempts
        is_bug = classify(error) is Failure.BUG
        log.warning(
            "job_failed",
            error=error_location(error),
            attempt=leased.attempt,
            given_up=spent,
            exc_info=error if is_bug and (spent or leased.failures == 0) else None,
        )
        retry_seconds = None if spent else self._backoff(leased)
        return await self._fail(lease, error_location(error), retry_seconds=retry_seconds)

    async def _fail(self, lease: _Lease, error: str, *, retry_seconds: float | None) -> Ended:
        write = partial(storage.fail, error=error, retry_seconds=retry_seconds)
        return await self._write_end(lease, write, Ended.FAILED if retry_seconds is None else Ended.RETRIED)

    async def _write_end(
        self, lease: _Lease, write: Callable[[Connection, UUID, UUID], Awaitable[bool]], ended: Ended
    ) -> Ended:
        """*write* takes the job and its token, and says whether the token still held."""
        lease.ending = True
        async with self.database.connection() as connection:
            held = await write(connection, lease.job, lease.token)
        return ended if held else Ended.LEASE_LOST

    def _backoff(self, leased: LeasedJob) -> float:
        seconds = min(self.backoff_seconds * 2.0 ** min(leased.failures, 30), BACKOFF_MAX_SECONDS)
        return seconds * random.uniform(1 - BACKOFF_JITTER, 1 + BACKOFF_JITTER)  # noqa: S311 - to spread load

    async def _renew_leases(self) -> None:
        """A run whose lease is lost is cancelled; one whose lease was not renewed in time cancels itself."""
        loop = asyncio.get_running_loop()
        interval = self.lease_seconds / RENEWALS
        due = loop.time()
        while True:
            due = max(due + interval, loop.time())
            await asyncio.sleep(due - loop.time())
            # Not those that end: their rows may be locked for as long as their transactions take.
            leases = {token: one.job for token, one in self._in_flight.items() if not one.ending}
            if not leases:
                continue
            began = loop.time()
            try:
                async with asyncio.timeout(interval / 2), self.database.connection() as connection:
                    kept, renewed = await storage.renew(connection, leases, self.lease_seconds)
            except Exception as error:  # noqa: BLE001 - an outage of the database must not end the heartbeat
                log.warning("job_leases_not_renewed", error=error_location(error))
                continue
            for token in leases:
                one = self._in_flight.get(token)
                if one is None:
                    continue
                if token in renewed:
                    one.hold_until(self._end_of_lease(began))
                elif token not in kept and not one.ending:
                    one.lose()

    async def _release(self) -> None:
        leases = {token: one.job for token, one in self._in_flight.items()}
        tasks = [one.task for one in self._in_flight.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        await asyncio.wait(tasks)
        try:
            async with self.database.connection() as connection:
                await storage.release(connection, leases)
        except Exception as error:  # noqa: BLE001 - their leases run out instead
            log.warning("jobs_not_released", error=error_location(error))

    def _envelope(self, leased: LeasedJob) -> Envelope:
        if leased.envelope is not None:
            return JobEnvelope.of(leased.id, leased.envelope)
        user = service_user(self.service)
        return Envelope(
            id=leased.id,
            source=f"/workers/{self.service}",
            type=f"autograph.{self.service}.job.{leased.name}",
            time=self.clock(),
            correlationid=str(leased.id),
            actor=Actor(kind=ActorKind.SERVICE, id=producer_id(user), name=user),
        )


def _correlation_id(leased: LeasedJob) -> str:
    """Also of an envelope that cannot be read."""
    found = leased.envelope.get("correlationid") if isinstance(leased.envelope, dict) else None
    return found if isinstance(found, str) else str(leased.id)
