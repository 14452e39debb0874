"""The jobs of every service: its tables are kept small, and no cache stays stale."""

from typing import ClassVar, Final

from chassis.database import Database
from chassis.jobs import storage
from chassis.jobs.job import InvalidateCaches, Job
from chassis.jobs.runner import JobRun, JobRunner
from chassis.outbox import run_inbox_retention
from chassis.retention import delete_in_batches
from chassis.unit_of_work import Caches

FORGET_EVERY_SECONDS: Final = 600.0


class ForgetInbox(Job):
    name: ClassVar[str] = "forget_inbox"


class ForgetJobs(Job):
    name: ClassVar[str] = "forget_jobs"


def schedule_retention(jobs: JobRunner, database: Database) -> None:
    async def inbox(_: ForgetInbox, __: JobRun) -> None:
        await run_inbox_retention(database)

    async def ended_jobs(_: ForgetJobs, __: JobRun) -> None:
        await delete_in_batches(database, storage.forget)

    jobs.schedule(ForgetInbox(), inbox, every_seconds=FORGET_EVERY_SECONDS)
    jobs.schedule(ForgetJobs(), ended_jobs, every_seconds=FORGET_EVERY_SECONDS)


def handle_invalidations(jobs: JobRunner, caches: Caches) -> None:
    async def invalidate(job: InvalidateCaches, _: JobRun) -> None:
        await caches.invalidate(job.names)

    jobs.handle(InvalidateCaches, invalidate)
