"""What clients were told, and what was so in the end: one format, for runs on real servers and for the simulation.

Times are seconds on one monotonic clock. A history is written as JSON, so that a run can be judged again.

An aggregate is a register with a number that only grows. A diagram's is its revision. A session is at ``BEGUN`` or at
``OVER``.
"""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter

SUCCEEDED = "succeeded"
UNKNOWN = "unknown"  # the client gave up before it knew
ABSENT = 0  # what a read shows of an aggregate that is not there, or not there any more
BEGUN, OVER = 1, 2  # a session's revisions, and the sequence numbers of its two events


@dataclass(frozen=True, slots=True)
class Command:
    """One intention of a client, over all requests that it took."""

    id: UUID  # the message's: the same in each repeat
    client: str
    aggregate: str | None  # None: it was to make one, and was not told which
    begun_at: float
    ended_at: float
    accepted: bool  # the client was told that it is, or will be, carried out
    outcome: str = UNKNOWN  # ``SUCCEEDED``, a refusal's code, or ``UNKNOWN``
    revision: int | None = None  # of the aggregate, as the reply or the refusal said
    expected: int | None = None  # the revision that it was based on, and was to be refused without
    version: int | None = None  # that it made, as the reply said
    digest: str | None = None  # of the content that it wrote; None: it wrote none
    ends: tuple[str, ...] = ()  # the sessions that its outcome says are over
    is_transient: bool = False  # it leaves no inbox row


@dataclass(frozen=True, slots=True)
class Read:
    client: str
    aggregate: str
    begun_at: float
    revision: int
    may_be_gone: bool = False  # somebody had asked for its end before this read was answered
    digest: str | None = None  # of the content; None: it showed none


@dataclass(frozen=True, slots=True)
class Request:
    begun_at: float
    seconds: float
    status: int = 0  # 0: no answer
    allowed_seconds: float | None = None  # its deadline; None: none was promised


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it was on the wire, which may bring one more than once."""

    id: UUID
    cause: UUID | None  # the command
    aggregate: str
    sequence: int
    subscribers: tuple[str, ...] = ()  # who is to apply it


@dataclass(frozen=True, slots=True)
class Aggregate:
    """As storage has it when all is quiet."""

    revision: int
    sequence: int  # of its last event
    versions: tuple[int, ...] = ()  # numbers, in order
    digest: str | None = None  # of its content
    version_digests: dict[int, str] = field(default_factory=dict)  # by number, for those still in the database


@dataclass(slots=True)
class History:
    commands: list[Command] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    heard: list[Event] = field(default_factory=list)
    applied: dict[str, list[UUID]] = field(default_factory=dict)  # by subscriber: each time that it applied an event
    inbox: dict[UUID, str] = field(default_factory=dict)  # message → status
    aggregates: dict[str, Aggregate] = field(default_factory=dict)
    outbox: int = 0
    parked: int = 0
    set_aside: set[UUID] = field(default_factory=set)  # messages of which a parking lot has a copy
    waiting: int = 0  # commands and their copies on the retry ladder
    unhandled: list[str] = field(default_factory=list)  # exceptions that nobody took
    resident_bytes: dict[str, tuple[int, int]] = field(default_factory=dict)  # by process: before, and at the end

    def write(self, file: Path) -> None:
        file.write_bytes(_FORMAT.dump_json(self, indent=1))

    @classmethod
    def read(cls, file: Path) -> "History":
        return _FORMAT.validate_json(file.read_bytes())


_FORMAT = TypeAdapter(History)
