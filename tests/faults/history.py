"""What clients were told, and what was so in the end: one format, for runs on real servers and for the simulation.

Times are seconds on one monotonic clock. A history is written as JSON, so that a run can be judged again.
"""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter

SUCCEEDED = "succeeded"
UNKNOWN = "unknown"  # the client gave up before it knew


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
    revision: int | None = None  # of the aggregate, as the reply said


@dataclass(frozen=True, slots=True)
class Read:
    client: str
    aggregate: str
    begun_at: float
    revision: int


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
    versions: tuple[int, ...]  # numbers, in order


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
    waiting: int = 0  # commands and their copies on the retry ladder
    unhandled: list[str] = field(default_factory=list)  # exceptions that nobody took
    resident_bytes: dict[str, tuple[int, int]] = field(default_factory=dict)  # by process: before, and at the end

    def write(self, file: Path) -> None:
        file.write_bytes(_FORMAT.dump_json(self, indent=1))

    @classmethod
    def read(cls, file: Path) -> "History":
        return _FORMAT.validate_json(file.read_bytes())


_FORMAT = TypeAdapter(History)
