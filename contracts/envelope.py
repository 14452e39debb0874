"""The envelope: CloudEvents 1.0 in structured mode, so that any CloudEvents SDK can read and write our messages."""

from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid5

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic_core import from_json

from contracts.message import Message
from contracts.scanning import count_items, is_cheap_to_parse, split, split_scanned

CONTENT_TYPE = "application/cloudevents+json"
MAX_ITEMS = 1_000  # of a dense or large message, without those of its opaque field


class TooManyItems(ValueError):
    """Parsing the document would take many times its size in memory."""


CorrelationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~:/+=-]{1,128}$")]


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    PRODUCER = "producer"
    SERVICE = "service"  # a service of this installation, on its own behalf
    ANONYMOUS = "anonymous"  # not signed in; the id is derived from the client's address


class Actor(BaseModel):
    """Who acts, with the rights that the gateway verified.

    On the wire an actor is one string, since CloudEvents attributes are scalars:
    ``user/<id>?session=<id>&roles=user+admin&scopes=read+write``.
    """

    model_config = ConfigDict(frozen=True)

    kind: ActorKind
    id: UUID
    session_id: UUID | None = None
    name: str | None = None  # a producer's broker user
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The scope of inbox rows and idempotency keys."""
        return f"{self.kind}/{self.id}"

    def __str__(self) -> str:
        said = sum(map(len, (self.name or "", *self.roles, *self.scopes)))
        return _cached_text(self) if said <= MAX_CACHED_CHARACTERS else _text(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The reverse of ``str``. Raises ``ValueError``."""
        key, _, query = text.partition("?")
        kind, _, identity = key.partition("/")
        rights = dict(parse_qsl(query, strict_parsing=True)) if query else {}
        return cls(
            kind=ActorKind(kind),
            id=UUID(identity),
            session_id=UUID(rights["session"]) if "session" in rights else None,
            name=rights.get("name"),
            roles=tuple(rights.get("roles", "").split()),
            scopes=tuple(rights.get("scopes", "").split()),
        )


MAX_CACHED_CHARACTERS = 512
MAX_CACHED_ACTORS = 4_096


def _text(actor: Actor) -> str:
    rights = {
        "session": str(actor.session_id) if actor.session_id else "",
        "name": actor.name or "",
        "roles": " ".join(actor.roles),
        "scopes": " ".join(actor.scopes),
    }
    query = urlencode({name: value for name, value in rights.items() if value})
    return f"{actor.key}?{query}" if query else actor.key


_cached_text = lru_cache(maxsize=MAX_CACHED_ACTORS)(_text)  # a request, its event and its reply all carry it


@lru_cache(maxsize=MAX_CACHED_ACTORS)  # a session's requests all carry the same text
def _parsed(text: str) -> Actor:
    return Actor.parse(text)


def _actor(value: object) -> object:
    if not isinstance(value, str):
        return value
    # Long texts are not cached: the sender is not verified yet.
    return _parsed(value) if len(value) <= MAX_CACHED_CHARACTERS else Actor.parse(value)


def _sequence(value: object) -> object:
    return int(value) if isinstance(value, str) else value


class Envelope(BaseModel):
    """The attributes around a payload. Attribute names are CloudEvents': lower case, no separators."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID  # the message's identity: redelivery, retry and redrive keep it
    source: str
    type: str
    subject: str | None = None  # the aggregate, e.g. diagram/0192…
    # The CloudEvents sequence extension wants a string that orders as the numbers do.
    sequence: Annotated[
        int | None,
        BeforeValidator(_sequence),
        PlainSerializer(lambda n: None if n is None else f"{n:020d}", when_used="json"),
    ] = None
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: CorrelationId
    causationid: UUID | None = None
    actor: Annotated[Actor, BeforeValidator(_actor), PlainSerializer(str, when_used="json")]
    deadline: AwareDatetime | None = None
    fingerprint: str | None = None
    partitionkey: str | None = None
    traceparent: Annotated[str | None, Field(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")] = None

    def expired(self, now: datetime) -> bool:
        return self.deadline is not None and now >= self.deadline


def encode(envelope: Envelope, message: Message) -> bytes:
    """The CloudEvents document."""
    return enclose(envelope, message.json_bytes())


def enclose(envelope: Envelope, data: bytes) -> bytes:
    """The CloudEvents document around *data*, which is JSON already."""
    attributes = envelope.model_dump_json(exclude_none=True).encode()
    return b'%b,"data":%b}' % (attributes.removesuffix(b"}"), data)


def decode(body: bytes, *, opaque: str | None = None, is_scanned: bool = False) -> tuple[Envelope, Any]:
    """The envelope and the parsed payload.

    In large or dense documents the payload's field *opaque* is scanned, not parsed, and becomes ``ScannedJson``;
    with *is_scanned* it is taken as it is, because its sender, who is trusted, has scanned it.
    Raises ``ValueError`` for what is not a CloudEvents document, and ``TooManyItems``.
    """
    taken = None
    if not is_cheap_to_parse(body):
        if is_scanned and opaque is not None:
            body, taken = split_scanned(body, ("data", opaque))
        else:
            body, taken = split(body, (b"data", (opaque or "").encode()), check_zeros=False)
        if count_items(body, MAX_ITEMS) > MAX_ITEMS:
            raise TooManyItems
    document = from_json(body)
    if not isinstance(document, dict):
        raise ValueError("a CloudEvents document is a JSON object")  # noqa: TRY004 - bad input, not a bug: one type for both
    data = document.pop("data", None)
    if taken is not None:
        data[opaque] = taken
    return Envelope.model_validate(document), data


_PRODUCERS = UUID("6ba1c9f0-4d2e-5c1b-9a57-0d5b1f6e2a11")


def producer_id(broker_user: str) -> UUID:
    """A producer's actor id, computed from its broker user.

    The broker verifies the user name; since the id follows from it, no producer can act as another one.
    """
    return uuid5(_PRODUCERS, broker_user)
