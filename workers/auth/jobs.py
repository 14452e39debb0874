"""What the auth service does again and again, once in a cluster."""

from typing import ClassVar

from chassis.jobs.job import Job
from chassis.jobs.runner import JobRun, JobRunner
from workers.auth.keys.key_ring import ROTATE_EVERY_SECONDS
from workers.auth.tools import RETENTION_CHECK_SECONDS, Tools, delete_expired_sessions


class ForgetSessions(Job):
    name: ClassVar[str] = "forget_sessions"


class RotateKeys(Job):
    name: ClassVar[str] = "rotate_keys"


def schedule(jobs: JobRunner, tools: Tools) -> None:
    async def forget(_: ForgetSessions, __: JobRun) -> None:
        await delete_expired_sessions(tools)

    async def rotate(_: RotateKeys, __: JobRun) -> None:
        """The other processes see it by their reloads, far sooner than the new key is used."""
        await tools.keys.maintain()

    jobs.schedule(ForgetSessions(), forget, every_seconds=RETENTION_CHECK_SECONDS)
    jobs.schedule(RotateKeys(), rotate, every_seconds=ROTATE_EVERY_SECONDS)
