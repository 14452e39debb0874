"""Ending sessions: in the database, as events, and in every cache."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from chassis.unit_of_work import UnitOfWork
from contracts.auth.sessions import LIVE_SESSION_TTL, SESSION_CACHE, SessionEnded
from workers.auth.storage import EndReason, OperatorReason
from workers.auth.tools import Tools

# No cache holds a session longer than this after it ended: the cache's ttl, and a margin for late fetches and clocks.
ENDED_SESSIONS_WINDOW: Final = LIVE_SESSION_TTL + timedelta(minutes=10)
# Sessions that one command invalidates at most. Older ones were invalidated by earlier commands.
MAX_INVALIDATED: Final = 1_000

# The reason in the event: subscribers of earlier releases know only these.
_ANNOUNCED: Final[dict[EndReason | OperatorReason, EndReason]] = {
    "signed_out": "signed_out",
    "signed_out_everywhere": "signed_out_everywhere",
    "ended": "ended",
    "refresh_reuse": "refresh_reuse",
    "too_many_sessions": "too_many_sessions",
    "ended_by_operator": "ended",
    "locked": "ended",
    "password_reset": "ended",
}


async def end_all_sessions(
    work: UnitOfWork, tools: Tools, user_id: UUID, reason: EndReason | OperatorReason
) -> list[UUID]:
    """Ends all sessions of a user whose account row this transaction has locked; returns those that it ended."""
    ended = await tools.storage.end_all_sessions(work.connection, user_id, reason, work.now)
    announce_ended(work, user_id, ended, reason)
    await invalidate_ended(work, tools, user_id)
    return ended


def announce_ended(
    work: UnitOfWork, user_id: UUID, session_ids: list[UUID], reason: EndReason | OperatorReason
) -> None:
    announced = _ANNOUNCED[reason]
    for session_id in session_ids:
        work.publish(
            SessionEnded(user_id=user_id, session_id=session_id, reason=announced),
            subject=f"session/{session_id}",
            sequence=2,  # a session begins once and ends once
            partitionkey=str(user_id),
        )
        work.invalidate(SESSION_CACHE.of(session_id))


async def invalidate_ended(work: UnitOfWork, tools: Tools, user_id: UUID) -> None:
    """Invalidates all ended sessions of the user that a cache may still hold, whoever ended them.

    Run it after the statement that ends sessions, which waits for concurrent transactions that end the same ones.
    """
    ended = await tools.storage.ended_sessions(
        work.connection, user_id, work.now - ENDED_SESSIONS_WINDOW, MAX_INVALIDATED
    )
    work.invalidate(*map(SESSION_CACHE.of, ended))
