"""Sessions: signing in and out, tokens, and what the gateway checks at each request."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, StringConstraints

from contracts.auth.accounts import EmailAddress, UserNotFound
from contracts.auth.keys import KeyId
from contracts.cache_name import CacheName
from contracts.message import Command, Event, Query, Reply, TransientCommand
from contracts.refusal import Forbidden, Refusal, RefusalKind, Refusals
from contracts.sealed import SealedText

# Access tokens (RFC 9068) also have sub (the user's id), sid (the session's), roles, iat and exp. The header's kid is
# that of the signing key, one of GetPublicKeys. The gateway accepts no other algorithm, type, issuer or audience.
TOKEN_ALGORITHM = "EdDSA"  # noqa: S105 - a name (RFC 8037)
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068 2.1)
TOKEN_ISSUER = "autograph"  # noqa: S105 - a name
TOKEN_AUDIENCE = "autograph"  # noqa: S105 - a name


class InvalidCredentials(Refusal):
    kind = RefusalKind.UNAUTHENTICATED
    code = "invalid_credentials"
    title = "Wrong email or password"


class InvalidRefreshToken(Refusal):
    kind = RefusalKind.UNAUTHENTICATED
    code = "invalid_refresh_token"
    title = "Invalid refresh token"


class SessionEndedAlready(Refusal):
    kind = RefusalKind.UNAUTHENTICATED
    code = "session_ended"
    title = "This session has ended"


class SessionNotFound(Refusal):
    kind = RefusalKind.NOT_FOUND
    code = "session_not_found"
    title = "No such session"


class Tokens(Reply):
    """Access token (EdDSA JWT, ``expires_in`` seconds) and the single-use refresh token for the next pair."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme (RFC 6750)
    expires_in: int
    session_id: UUID


class Session(Reply):
    """A session as its owner sees it."""

    id: UUID
    created_at: AwareDatetime
    last_seen_at: AwareDatetime
    expires_at: AwareDatetime
    device: str | None
    address: str | None
    current: bool


class Sessions(Reply):
    items: tuple[Session, ...]


SESSION_CACHE = CacheName("session", "session_id")
# The longest time that the gateway caches a live session, unless it is invalidated.
LIVE_SESSION_TTL = timedelta(hours=24)


class LiveSession(Reply):
    """A live session as the gateway checks it at every request; its JSON is the cache entry."""

    session_id: UUID
    user_id: UUID
    roles: tuple[str, ...]
    expires_at: AwareDatetime
    withdrawn_keys: tuple[KeyId, ...] = ()  # signing keys that were withdrawn in the last day


class SignIn(TransientCommand[Tokens]):
    """Begin a session. Its id is this message's id, so that a redelivery begins no second session."""

    wire_name: ClassVar[str] = "autograph.auth.sign_in.v1"
    bulkhead: ClassVar[str | None] = "passwords"
    refuses: ClassVar[Refusals] = (InvalidCredentials, SessionEndedAlready)

    email: EmailAddress
    password: SealedText
    remember_me: bool = False
    device: Annotated[str, StringConstraints(max_length=500)] | None = None  # set by the edge: User-Agent
    address: Annotated[str, StringConstraints(max_length=64)] | None = None  # set by the edge


class RefreshTokens(TransientCommand[Tokens]):
    """Exchange a refresh token for the next pair of tokens."""

    wire_name: ClassVar[str] = "autograph.auth.refresh_tokens.v1"
    refuses: ClassVar[Refusals] = (InvalidRefreshToken,)

    refresh_token: SealedText


class SignOut(Command[None]):
    """End the caller's current session."""

    wire_name: ClassVar[str] = "autograph.auth.sign_out.v1"
    refuses: ClassVar[Refusals] = (Forbidden, SessionNotFound)


class SignOutEverywhere(Command[None]):
    """End all sessions of the caller."""

    wire_name: ClassVar[str] = "autograph.auth.sign_out_everywhere.v1"
    refuses: ClassVar[Refusals] = (Forbidden, UserNotFound)


class EndSession(Command[None]):
    """End one of the caller's sessions."""

    wire_name: ClassVar[str] = "autograph.auth.end_session.v1"
    refuses: ClassVar[Refusals] = (Forbidden, SessionNotFound)
    invalidates: ClassVar[tuple[CacheName, ...]] = (SESSION_CACHE,)

    session_id: UUID


class ListSessions(Query[Sessions]):
    """The caller's live sessions, newest first."""

    wire_name: ClassVar[str] = "autograph.auth.list_sessions.v1"
    refuses: ClassVar[Refusals] = (Forbidden,)


class GetLiveSession(Query[LiveSession]):
    """Sent by the gateway when its cache has no entry for a session."""

    wire_name: ClassVar[str] = "autograph.auth.get_live_session.v1"
    timeout: ClassVar[timedelta] = timedelta(seconds=5)
    refuses: ClassVar[Refusals] = (SessionEndedAlready,)
    cached: ClassVar[CacheName | None] = SESSION_CACHE

    session_id: UUID


class KnownNetwork(Reply):
    known: bool


class GetKnownNetwork(Query[KnownNetwork]):
    """Whether an account has signed in from a network before; sent by the gateway after too many failed attempts."""

    wire_name: ClassVar[str] = "autograph.auth.get_known_network.v1"
    timeout: ClassVar[timedelta] = timedelta(seconds=5)
    refuses: ClassVar[Refusals] = (Forbidden,)

    email: EmailAddress
    network: Annotated[str, StringConstraints(max_length=64)]  # an IPv4 address, or an IPv6 one's /64


class SessionStarted(Event):
    wire_name: ClassVar[str] = "autograph.auth.session_started.v1"

    user_id: UUID
    session_id: UUID


class SessionEnded(Event):
    wire_name: ClassVar[str] = "autograph.auth.session_ended.v1"

    user_id: UUID
    session_id: UUID
    reason: Literal["signed_out", "signed_out_everywhere", "ended", "refresh_reuse", "too_many_sessions"]


MESSAGES = (
    SignIn,
    RefreshTokens,
    SignOut,
    SignOutEverywhere,
    EndSession,
    ListSessions,
    GetLiveSession,
    GetKnownNetwork,
    SessionStarted,
    SessionEnded,
)
