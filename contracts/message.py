"""The kinds of message, and how each is delivered.

A published version never changes its meaning: a new optional field keeps the version, anything else is a new
class with a new wire name beside the old one.
"""

from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from contracts.cache_name import CacheName
from contracts.raw_json import json_bytes
from contracts.refusal import REFUSED_BY_ANY, Refusal, Refusals

ReplyT = TypeVar("ReplyT", bound="Reply | None")

# Around a payload on the bus: the envelope, and what sealing adds to secrets.
MAX_ENVELOPE_BYTES = 64 * 1024


class Kind(StrEnum):
    COMMAND = "command"
    TRANSIENT = "transient"
    QUERY = "query"
    EVENT = "event"


class Reply(BaseModel):
    """A handler's reply. Unknown fields are ignored, so that two releases can run at the same time."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def json_bytes(self) -> bytes:
        return json_bytes(self)


class Message(BaseModel):
    """A message on the bus with a type of its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    wire_name: ClassVar[str]  # autograph.<worker>.<name>.v<N>; chosen once, never reused
    kind: ClassVar[Kind]

    # Limits of the payload's JSON from outside; checked before it is parsed.
    max_bytes: ClassVar[int] = 8 * 1024
    max_items: ClassVar[int] = 300  # members and array items, without those of the opaque field
    opaque: ClassVar[str | None] = None  # the field whose JSON object is stored without being parsed

    @classmethod
    def max_message_bytes(cls) -> int:
        """Of the whole message on the bus."""
        return cls.max_bytes + MAX_ENVELOPE_BYTES

    def json_bytes(self) -> bytes:
        """Fields that were never set stay out: absent is not null in a change."""
        return json_bytes(self, exclude_unset=True)

    @classmethod
    @cache
    def worker(cls) -> str:
        """The service that owns this message: it handles the request or publishes the event."""
        return cls.wire_name.split(".")[1]

    @classmethod
    @cache
    def action(cls) -> str:
        return cls.wire_name.split(".")[2]

    @classmethod
    @cache
    def routing_key(cls) -> str:
        return f"{cls.worker()}.{cls.action()}"


class Request(Message, Generic[ReplyT]):
    """A message that is answered by exactly one handler."""

    timeout: ClassVar[timedelta] = timedelta(
        seconds=10
    )  # how long a sender waits for the reply, unless it chooses less
    bulkhead: ClassVar[str | None] = (
        None  # a queue and consumers of its own, so that slow work does not delay other messages
    )
    operator_only: ClassVar[bool] = False  # refused unless the operator's broker user sent it
    refuses: ClassVar[Refusals] = ()  # with REFUSED_BY_ANY all refusals that its handler may raise

    @classmethod
    def queue(cls) -> str:
        """``<worker>.<commands|transient|queries>`` and, for a bulkhead, its name behind."""
        queue = f"{cls.worker()}.{_QUEUE_OF[cls.kind]}"
        return f"{queue}.{cls.bulkhead}" if cls.bulkhead else queue

    @classmethod
    def producers_queue(cls) -> str:
        """The queue of producers' messages, so that a flood of them does not delay users."""
        return f"{cls.worker()}.{_QUEUE_OF[cls.kind]}.producers"

    @classmethod
    def exchange(cls) -> str:
        return "autograph.queries" if cls.kind is Kind.QUERY else "autograph.commands"

    invalidates: ClassVar[tuple[CacheName, ...]] = ()  # what else it invalidates depends on more than its fields
    cached: ClassVar[CacheName | None] = None  # of a query: the name of its cached answer

    def invalidated_names(self) -> tuple[str, ...]:
        return tuple(name.in_request(self) for name in self.invalidates)

    @classmethod
    def declares(cls, refusal: Refusal) -> bool:
        return isinstance(refusal, (*cls.refuses, *REFUSED_BY_ANY))

    @classmethod
    @cache
    def reply_type(cls) -> type[Reply] | None:
        """The reply's class, read from ``Command[TheReply]``; ``None`` where the answer is only "done"."""
        for base in cls.__mro__:
            metadata = cast("dict[str, Any]", getattr(base, "__pydantic_generic_metadata__", {}))
            if metadata.get("args"):
                reply = metadata["args"][0]
                return None if reply in (None, type(None)) else cast("type[Reply]", reply)
        raise TypeError(f"{cls.__name__} does not say what it is answered with")


class Command(Request[ReplyT]):
    """A change, carried out exactly once, also past its deadline. Persistent, confirmed, in a quorum queue."""

    kind: ClassVar[Kind] = Kind.COMMAND


class TransientCommand(Request[ReplyT]):
    """A change that is useless after its deadline (sign-in, refresh): not persistent, no inbox row."""

    kind: ClassVar[Kind] = Kind.TRANSIENT


class Query(Request[ReplyT]):
    """A read: changes nothing, and expires at its deadline."""

    kind: ClassVar[Kind] = Kind.QUERY


class Event(Message):
    """Something that has happened. Published from the outbox at least once; each subscriber applies it once."""

    kind: ClassVar[Kind] = Kind.EVENT

    @classmethod
    def exchange(cls) -> str:
        return "autograph.events"

    @staticmethod
    def queue(subscriber: str, bulkhead: str | None = None) -> str:
        """``<subscriber>.events`` and, for a bulkhead, its name behind."""
        queue = f"{subscriber}.events"
        return f"{queue}.{bulkhead}" if bulkhead else queue


_QUEUE_OF = {Kind.COMMAND: "commands", Kind.TRANSIENT: "transient", Kind.QUERY: "queries"}
