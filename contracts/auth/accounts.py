"""Accounts: registration, profile, and the rules of addresses and passwords."""

import unicodedata
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from contracts.message import Command, Event, Query, Reply
from contracts.refusal import Forbidden, Refusal, RefusalKind, Refusals
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


class _OfANewPassword:
    """Adds the minimum length to the API's schema; a sealed box on the bus has none."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(schema)
        return {**found, "minLength": PASSWORD_MIN_CHARACTERS} if found.get("type") == "string" else found


NewPassword = Annotated[SealedText, _OfANewPassword()]


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


class UserNotFound(Refusal):
    kind = RefusalKind.NOT_FOUND
    code = "user_not_found"
    title = "No such user"


class User(Reply):
    """A user account as its owner sees it."""

    id: UUID
    email: str
    name: str | None
    roles: tuple[str, ...]
    email_verified: bool
    created_at: AwareDatetime


class RegisterUser(Command[User]):
    """Create an account."""

    wire_name: ClassVar[str] = "autograph.auth.register_user.v1"
    bulkhead: ClassVar[str | None] = "passwords"
    refuses: ClassVar[Refusals] = (EmailTaken, PasswordTooShort, PasswordTooLong, PasswordTooCommon, RegistrationClosed)

    email: EmailAddress
    password: NewPassword
    name: Name | None = None


class ChangeProfile(Command[User]):
    """Change what is set; ``name: null`` removes the name."""

    wire_name: ClassVar[str] = "autograph.auth.change_profile.v1"
    refuses: ClassVar[Refusals] = (Forbidden, UserNotFound)

    name: Name | None = None


class GetMe(Query[User]):
    wire_name: ClassVar[str] = "autograph.auth.get_me.v1"
    refuses: ClassVar[Refusals] = (Forbidden, UserNotFound)


class UserRegistered(Event):
    wire_name: ClassVar[str] = "autograph.auth.user_registered.v1"

    user_id: UUID
    email: str
    name: str | None


class ProfileChanged(Event):
    wire_name: ClassVar[str] = "autograph.auth.profile_changed.v1"

    user_id: UUID
    name: str | None


MESSAGES = (
    RegisterUser,
    ChangeProfile,
    GetMe,
    UserRegistered,
    ProfileChanged,
)
