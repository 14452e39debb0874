"""A job as a service writes it down, and the words by which its handler says that it has not ended."""

from typing import ClassVar, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PrivateAttr

from contracts.envelope import Envelope


class Job(BaseModel):
    """What is to be done, and with what. Its fields are kept as JSON in the table ``jobs`` of the service's schema.

    Two releases may serve at once: a new field needs a default, and a job that changes its meaning gets a new name.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ClassVar[str]  # of all jobs of this kind; chosen once, since rows bear it
    max_attempts: ClassVar[int] = 20  # then it has failed, and waits for an operator. About eight hours
    max_in_flight: ClassVar[int] = 4  # in one process

    def json_bytes(self) -> bytes:
        return self.model_dump_json().encode()


class JobEnvelope(Envelope):
    """Of the message whose handler enqueued the job. Several jobs may come of one message: it tells them apart."""

    _job: UUID = PrivateAttr()

    @classmethod
    def of(cls, job: UUID, cause: object) -> "JobEnvelope":
        """*cause*: an envelope as JSON. Raises ``ValidationError``."""
        made = cls.model_validate(cause)
        made._job = job  # noqa: SLF001 - its own
        return made

    @property
    def job(self) -> UUID:
        return self._job


class InvalidateCaches(Job):
    """Committed with what changed, in case its process dies before it has invalidated *names*."""

    name: ClassVar[str] = "invalidate_caches"

    names: tuple[str, ...]


class QueuedJob(NamedTuple):
    """A job's row before its transaction commits."""

    id: UUID
    name: str
    arguments: bytes
    delay_seconds: float


class Snooze(Exception):
    """Raised by a handler: try again in *seconds*. It counts as no attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds} s")
        self.seconds = seconds


class Cancel(Exception):
    """Raised by a handler: no attempt will succeed. *reason* is a constant, which the operator sees."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseLost(Exception):
    """Another runner has the job by now, or it was cancelled: nothing that this one still does is to be kept."""
