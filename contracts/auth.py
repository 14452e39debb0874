"""Messages of the auth service: commands, queries, replies, events and refusals."""

import unicodedata
from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from contracts.message import Command, Event, Query, Reply, TransientCommand
from contracts.outcome import Outcome
from contracts.refusal import Refusal, RefusalKind
from contracts.sealed import SealedText
from contracts.text import ONE_LINE

# One @ with text on either side; verification shows whether mail arrives. 254: RFC 5321 4.5.3.1.3.
EmailAddress = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")]
Name = Annotated[str, StringConstraints(max_length=200), ONE_LINE]


def email_key(email: str) -> str:
    """The account's key: equal for equivalent addresses (compatibility caseless matching, Unicode 16.0, D146).

    ``ANNA@Example.org``, ``anna@example.org`` and full-width letters are equal, also before the @, where a mail server
    may distinguish them: no two accounts should differ only by that. ``ß`` equals ``ss``. A domain's Punycode form is
    another address than its Unicode form, and nothing is removed (dots, ``+tags``).
    """
    folded = unicodedata.normalize("NFD", email).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return unicodedata.normalize("NFKD", folded)


PASSWORD_MIN_CHARACTERS = 8  # ASVS 5.0 6.2.1
PASSWORD_MAX_BYTES = 1_024  # in UTF-8; longer ones are refused, never truncated

# Access tokens (RFC 9068) also have sub (the user's id), sid (the session's), roles, iat and exp. The header's kid is
# that of the signing key, one of GetPublicKeys. The gateway accepts no other algorithm, type, issuer or audience.
TOKEN_ALGORITHM = "EdDSA"  # noqa: S105 - a name (RFC 8037)
TOKEN_TYPE = "at+jwt"  # noqa: S105 - a media type (RFC 9068 2.1)
TOKEN_ISSUER = "autograph"  # noqa: S105 - a name
TOKEN_AUDIENCE = "autograph"  # noqa: S105 - a name


class _OfANewPassword:
    """Adds the minimum length to the API's schema; a sealed box on the bus has none."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(schema)
        return {**found, "minLength": PASSWORD_MIN_CHARACTERS} if found.get("type") == "string" else found


NewPassword = Annotated[SealedText, _OfANewPassword()]


class User(Reply):
    """A user account as its owner sees it."""

    id: UUID
    email: str
    name: str | None
    roles: tuple[str, ...]
    email_verified: bool
    created_at: AwareDatetime


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


KeyId = Annotated[str, StringConstraints(max_length=64)]  # a JWK thumbprint (RFC 7638)

# The longest time that the gateway caches a live session, unless it is invalidated.
LIVE_SESSION_TTL = timedelta(hours=24)


class LiveSession(Reply):
    """A live session as the gateway checks it at every request; its JSON is the cache entry."""

    session_id: UUID
    user_id: UUID
    roles: tuple[str, ...]
    expires_at: AwareDatetime
    withdrawn_keys: tuple[KeyId, ...] = ()  # signing keys that were withdrawn in the last day


class PublicKey(Reply):
    """A public key of the auth service, raw 32 bytes in base64url without padding."""

    id: str
    purpose: Literal["signing", "sealing"]
    key: str
    active_from: AwareDatetime  # signing: tokens may use it from then on; sealing: seal to the newest active one


class PublicKeys(Reply):
    keys: tuple[PublicKey, ...]


class RegisterUser(Command[User]):
    """Create an account."""

    wire_name: ClassVar[str] = "autograph.auth.register_user.v1"
    bulkhead: ClassVar[str | None] = "passwords"

    email: EmailAddress
    password: NewPassword
    name: Name | None = None


class SignIn(TransientCommand[Tokens]):
    """Begin a session. Its id is this message's id, so that a redelivery begins no second session."""

    wire_name: ClassVar[str] = "autograph.auth.sign_in.v1"
    bulkhead: ClassVar[str | None] = "passwords"

    email: EmailAddress
    password: SealedText
    remember_me: bool = False
    device: Annotated[str, StringConstraints(max_length=500)] | None = None  # set by the edge: User-Agent
    address: Annotated[str, StringConstraints(max_length=64)] | None = None  # set by the edge


class RefreshTokens(TransientCommand[Tokens]):
    """Exchange a refresh token for the next pair of tokens."""

    wire_name: ClassVar[str] = "autograph.auth.refresh_tokens.v1"

    refresh_token: SealedText


class SignOut(Command[None]):
    """End the caller's current session."""

    wire_name: ClassVar[str] = "autograph.auth.sign_out.v1"


class SignOutEverywhere(Command[None]):
    """End all sessions of the caller."""

    wire_name: ClassVar[str] = "autograph.auth.sign_out_everywhere.v1"


class EndSession(Command[None]):
    """End one of the caller's sessions."""

    wire_name: ClassVar[str] = "autograph.auth.end_session.v1"

    session_id: UUID


class ChangeProfile(Command[User]):
    """Change what is set; ``name: null`` removes the name."""

    wire_name: ClassVar[str] = "autograph.auth.change_profile.v1"

    name: Name | None = None


class GetMe(Query[User]):
    wire_name: ClassVar[str] = "autograph.auth.get_me.v1"


class ListSessions(Query[Sessions]):
    """The caller's live sessions, newest first."""

    wire_name: ClassVar[str] = "autograph.auth.list_sessions.v1"


class GetLiveSession(Query[LiveSession]):
    """Sent by the gateway when its cache has no entry for a session."""

    wire_name: ClassVar[str] = "autograph.auth.get_live_session.v1"
    timeout: ClassVar[timedelta] = timedelta(seconds=5)

    session_id: UUID


class KnownNetwork(Reply):
    known: bool


class GetKnownNetwork(Query[KnownNetwork]):
    """Whether an account has signed in from a network before; sent by the gateway after too many failed attempts."""

    wire_name: ClassVar[str] = "autograph.auth.get_known_network.v1"
    timeout: ClassVar[timedelta] = timedelta(seconds=5)

    email: EmailAddress
    network: Annotated[str, StringConstraints(max_length=64)]  # an IPv4 address, or an IPv6 one's /64


class GetPublicKeys(Query[PublicKeys]):
    """The keys that tokens are signed with (current, next and those still in use) and that secrets are sealed to."""

    wire_name: ClassVar[str] = "autograph.auth.get_public_keys.v1"
    timeout: ClassVar[timedelta] = timedelta(seconds=5)


Fingerprint = Annotated[str, StringConstraints(max_length=64)]


class CommandOutcome(Reply):
    """A command's outcome from the inbox; None while the command has not been carried out."""

    outcome: Outcome | None


class GetAuthCommand(Query[CommandOutcome]):
    """How one of the caller's commands ended."""

    wire_name: ClassVar[str] = "autograph.auth.get_command.v1"

    command_id: UUID
    fingerprint: Fingerprint | None = None  # of the request, if it had an idempotency key


class UserRegistered(Event):
    wire_name: ClassVar[str] = "autograph.auth.user_registered.v1"

    user_id: UUID
    email: str
    name: str | None


class ProfileChanged(Event):
    wire_name: ClassVar[str] = "autograph.auth.profile_changed.v1"

    user_id: UUID
    name: str | None


class SessionStarted(Event):
    wire_name: ClassVar[str] = "autograph.auth.session_started.v1"

    user_id: UUID
    session_id: UUID


class SessionEnded(Event):
    wire_name: ClassVar[str] = "autograph.auth.session_ended.v1"

    user_id: UUID
    session_id: UUID
    reason: Literal["signed_out", "signed_out_everywhere", "ended", "refresh_reuse", "too_many_sessions"]


class EmailTaken(Refusal):
    kind = RefusalKind.CONFLICT
    code = "email_taken"
    title = "An account with this email address exists"


class RegistrationClosed(Refusal):
    kind = RefusalKind.FORBIDDEN
    code = "registration_closed"
    title = "Registration is closed: ask an administrator for an account"


class PasswordTooShort(Refusal):
    kind = RefusalKind.INVALID
    code = "password_too_short"
    title = f"A password has at least {PASSWORD_MIN_CHARACTERS} characters"


class PasswordTooLong(Refusal):
    kind = RefusalKind.INVALID
    code = "password_too_long"
    title = f"A password has at most {PASSWORD_MAX_BYTES} bytes in UTF-8"


class PasswordTooCommon(Refusal):
    kind = RefusalKind.INVALID
    code = "password_too_common"
    title = "This password is too common"


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


class UserNotFound(Refusal):
    kind = RefusalKind.NOT_FOUND
    code = "user_not_found"
    title = "No such user"


MESSAGES = (
    RegisterUser, SignIn, RefreshTokens, SignOut, SignOutEverywhere, EndSession, ChangeProfile,
    GetMe, ListSessions, GetLiveSession, GetKnownNetwork, GetPublicKeys, GetAuthCommand,
    UserRegistered, ProfileChanged, SessionStarted, SessionEnded,
)  # fmt: skip
