"""What holds of addresses, passwords, sessions and refresh tokens: pure rules."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from functools import cache
from importlib import resources

from contracts.auth import (
    PASSWORD_MAX_BYTES,
    PASSWORD_MIN_CHARACTERS,
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    email_key,
)
from contracts.refusal import FieldError, Invalid

# What mail's headers give a meaning of their own (RFC 5322 3.2.3), beside the @.
SPECIALS = frozenset('()<>[]:;\\,"')
# Not shown, or as nothing (Unicode's Default_Ignorable_Code_Point, as far as their category does not tell), and blanks.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(map(chr, range(0xFE00, 0xFE10)))


def check_new_address(email: str) -> None:
    """Raises Invalid for an address that looks like another, or that mail's headers would take apart.

    Also as compatibility decomposes it: that makes an account's key. Only for new ones: who has one signs in with it.
    """
    for form in (email, unicodedata.normalize("NFKD", email)):
        if form.count("@") != 1 or any(
            character in SPECIALS or character in INVISIBLE or unicodedata.category(character) in ("Cf", "Cc", "Co")
            for character in form
        ):
            detail = 'must not contain invisible characters or any of ()<>[]:;\\,"'
            raise Invalid(errors=(FieldError(pointer="/email", code="address_characters", detail=detail),))


def check_new_password(password: str, email: str) -> None:
    """Raises PasswordTooShort, PasswordTooLong, PasswordTooCommon, Invalid. It is never cut."""
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
    """As RFC 8265's OpaqueString maps it (4.2.2): spaces of all kinds are one, and composition makes no difference.

    Code points that it disallows are let pass: which are unassigned depends on the Unicode version of a release.
    """
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


@cache
def common_passwords() -> frozenset[str]:
    """The commonest of those that are long enough (ASVS 5.0 6.2.4), in lower case."""
    text = resources.files("workers.auth").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.lower() for line in text.splitlines() if line and not line.startswith("#"))


def is_text(password: str) -> bool:
    """No NUL, where a C string would end, and no lone surrogates, which have no bytes."""
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
    """What presenting a refresh token means."""

    ROTATE = auto()  # the newest: it is spent, and its successor is given
    REPEAT = auto()  # just spent, and its successor has never come back: an honest retry, which gets the same successor
    REUSE = auto()  # spent a while ago, or its successor was used: one of the two presenters has stolen it
    NEVER_ISSUED = auto()  # genuine, and newer than what is on record: the record was restored from a backup


def decide_refresh(presented: int, *, generation: int, used_generation: int, may_be_retry: bool) -> RefreshDecision:
    """*generation* numbers the newest token that was issued, *used_generation* the newest that was presented.

    *may_be_retry*: that one was presented for the first time just now, so that its answer may have been lost.
    """
    if presented > generation:
        return RefreshDecision.NEVER_ISSUED
    if presented == generation:
        return RefreshDecision.ROTATE
    if presented == generation - 1 and used_generation == presented and may_be_retry:
        return RefreshDecision.REPEAT
    return RefreshDecision.REUSE
