"""What holds of addresses, passwords, sessions and refresh tokens: pure rules, no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from contracts.auth import PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARACTERS, PasswordTooLong, PasswordTooShort
from contracts.refusal import FieldError, Invalid


def check_new_password(password: str) -> None:
    """Raises PasswordTooShort, PasswordTooLong, Invalid. A password is taken as it is or not at all."""
    if len(password) < PASSWORD_MIN_CHARACTERS:
        raise PasswordTooShort
    if not is_text(password):
        raise Invalid(errors=(FieldError(pointer="/password", code="not_text", detail="must be text without NUL"),))
    if len(password.encode()) > PASSWORD_MAX_BYTES:
        raise PasswordTooLong


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


class Verdict(Enum):
    """What presenting a refresh token means."""

    ROTATE = auto()  # the newest: it is spent, and its successor is given
    REPEAT = auto()  # just spent, and its successor has never come back: an honest retry, which gets the same successor
    REUSE = auto()  # spent a while ago, or its successor was used: one of the two presenters has stolen it
    NEVER_ISSUED = auto()  # genuine, and newer than what is on record: the record was restored from a backup


def judge(presented: int, *, generation: int, used_generation: int, may_be_retry: bool) -> Verdict:
    """*generation* numbers the newest token that was issued, *used_generation* the newest that was presented.

    *may_be_retry*: that one was presented for the first time just now, so that its answer may have been lost.
    """
    if presented > generation:
        return Verdict.NEVER_ISSUED
    if presented == generation:
        return Verdict.ROTATE
    if presented == generation - 1 and used_generation == presented and may_be_retry:
        return Verdict.REPEAT
    return Verdict.REUSE
