"""Rules for addresses, passwords, sessions and refresh tokens; pure functions."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cache
from importlib import resources

from contracts.auth.accounts import (
    PASSWORD_MAX_BYTES,
    PASSWORD_MIN_CHARACTERS,
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    email_key,
)
from contracts.refusal import FieldError, Invalid

# Characters with a meaning in mail headers (RFC 5322 3.2.3), except the @.
SPECIALS = frozenset('()<>[]:;\\,"')
# Invisible or blank: Unicode's Default_Ignorable_Code_Point, as far as their category does not say so.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(map(chr, range(0xFE00, 0xFE10)))


def check_new_address(email: str) -> None:
    """Raises Invalid for an address that can look like another one, or that has a special meaning in mail headers.

    Checks the compatibility decomposition too, of which the account's key is made. For new accounts only.
    """
    for form in (email, unicodedata.normalize("NFKD", email)):
        if form.count("@") != 1 or any(
            character in SPECIALS or character in INVISIBLE or unicodedata.category(character) in ("Cf", "Cc", "Co")
            for character in form
        ):
            detail = 'must not contain invisible characters or any of ()<>[]:;\\,"'
            raise Invalid(errors=(FieldError(pointer="/email", code="address_characters", detail=detail),))


def check_new_password(password: str, email: str) -> None:
    """Raises PasswordTooShort, PasswordTooLong, PasswordTooCommon, Invalid. Passwords are never truncated."""
    if len(password) < PASSWORD_MIN_CHARACTERS:
        raise PasswordTooShort
    if not is_text(password):
        raise Invalid(errors=(FieldError(pointer="/password", code="not_text", detail="must be text without NUL"),))
    password = normalised(password)
    if len(password) < PASSWORD_MIN_CHARACTERS:
        raise PasswordTooShort
    if len(password.encode()) > PASSWORD_MAX_BYTES:
        raise PasswordTooLong
    if password.isspace():
        raise PasswordTooCommon("A password must not consist of spaces only")
    key, address = email_key(password), email_key(email)
    if key in (address, address.rpartition("@")[0]):
        raise PasswordTooCommon("A password must not be the email address")
    if key in common_passwords():
        raise PasswordTooCommon


def normalised(password: str) -> str:
    """As RFC 8265's OpaqueString maps it (4.2.2): all spaces become U+0020, and the text becomes NFC.

    Disallowed code points are accepted: which ones are unassigned depends on a release's version of Unicode.
    """
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


@cache
def common_passwords() -> frozenset[str]:
    """The most common passwords of sufficient length (ASVS 5.0 6.2.4), in lower case."""
    text = resources.files("workers.auth").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.lower() for line in text.splitlines() if line and not line.startswith("#"))


def is_text(password: str) -> bool:
    """No NUL, which ends a C string, and no lone surrogates, which have no UTF-8 encoding."""
    return "\x00" not in password and not any("\ud800" <= character <= "\udfff" for character in password)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    access_token: timedelta
    session: timedelta
    remembered_session: timedelta

    def session_end(self, now: datetime, *, remember: bool) -> datetime:
        return now + (self.remembered_session if remember else self.session)

    def access_token_end(self, now: datetime, session_end: datetime) -> datetime:
        """No token outlives its session."""
        return min(now + self.access_token, session_end)


class RefreshDecision(Enum):
    """What to do about a refresh token that was presented."""

    ROTATE = auto()  # the newest: mark it as used, and issue its successor
    REPEAT = auto()  # just used, its successor not yet: a retry, which gets the same successor
    REUSE = auto()  # used a while ago, or its successor was used: the token was stolen
    NEVER_ISSUED = auto()  # authentic, but newer than the record: the database was restored from a backup


def decide_refresh(presented: int, *, generation: int, used_generation: int, may_be_retry: bool) -> RefreshDecision:
    """*generation*: number of the newest token that was issued; *used_generation*: of the newest that was presented.

    *may_be_retry*: the newest presented token was first presented so recently that the response may have been lost.
    """
    if presented > generation:
        return RefreshDecision.NEVER_ISSUED
    if presented == generation:
        return RefreshDecision.ROTATE
    if presented == generation - 1 and used_generation == presented and may_be_retry:
        return RefreshDecision.REPEAT
    return RefreshDecision.REUSE
