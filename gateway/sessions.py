"""Who calls: a verified token whose session lives, asked at every request in the request's one trip to Redis."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from chassis.cache import CacheReader, Entry, Hit, Miss
from contracts.auth import LiveSession
from contracts.envelope import Actor, ActorKind
from gateway.problems import Problem
from gateway.tokens import Claims, Tokens

SESSION_SECONDS = 86_400.0  # live sessions are kept for 24 hours at most


@dataclass(frozen=True, slots=True)
class Caller:
    actor: Actor
    claims: Claims | None  # None: anonymous


def bearer(header: str | None) -> str | None:
    """The token of an Authorization header. Raises ``Problem`` for another scheme."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


async def caller_of(header: str | None, tokens: Tokens, anonymous: Callable[[], Actor]) -> Caller:
    """Raises ``Problem`` (401) for a token that is not valid; without one the caller is *anonymous*."""
    token = bearer(header)
    if token is None:
        return Caller(anonymous(), None)
    claims = await tokens.verify(token)
    actor = Actor(kind=ActorKind.USER, id=claims.user_id, session_id=claims.session_id, roles=claims.roles)
    return Caller(actor, claims)


def entry_of(claims: Claims) -> Entry:
    return Entry(f"session/{claims.session_id}")


def known_live(found: Hit | Miss, claims: Claims) -> bool:
    """Whether the cache says that the session lives. Raises ``Problem`` if it says that it does not."""
    if isinstance(found, Miss):
        return False
    _hold(LiveSession.model_validate_json(found.value), claims)
    return True


async def keep(cache: CacheReader, found: Hit | Miss, session: LiveSession, claims: Claims) -> None:
    _hold(session, claims)
    if isinstance(found, Miss):
        left = (session.expires_at - datetime.now(UTC)).total_seconds()
        await cache.fill(found, session.model_dump_json().encode(), stay_seconds=max(1.0, min(SESSION_SECONDS, left)))


def _hold(session: LiveSession, claims: Claims) -> None:
    if session.user_id != claims.user_id or session.expires_at <= datetime.now(UTC):
        raise Problem("session_ended", headers={"WWW-Authenticate": "Bearer"})
