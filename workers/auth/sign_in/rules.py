"""Rules for sessions' lifetimes and refresh tokens; pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto


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
