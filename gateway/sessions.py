"""The caller: a verified access token whose session is live. Sessions are checked at every request."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from chassis.cache import CacheReader, Entry, Miss
from contracts.auth.sessions import LIVE_SESSION_TTL, SESSION_CACHE, LiveSession
from contracts.envelope import Actor
from gateway.problems import HttpProblem
from gateway.tokens import AccessTokenVerifier, Claims, token_problem


@dataclass(frozen=True, slots=True)
class Caller:
    actor: Actor
    claims: Claims | None  # None: anonymous


def bearer(header: str | None) -> str | None:
    """The token of an Authorization header. Raises ``HttpProblem`` for another scheme, or none."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise HttpProblem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


async def authenticate(token: str, tokens: AccessTokenVerifier) -> Caller:
    """Raises ``HttpProblem`` (401) for a token that is not valid."""
    claims = await tokens.verify(token)
    return Caller(claims.actor, claims)


def session_entry(claims: Claims) -> Entry:
    return Entry(SESSION_CACHE.of(claims.session_id))


@lru_cache(maxsize=4_096)
def parse_session(entry: bytes) -> LiveSession:
    """The session in a cache entry; parsed once per text."""
    return LiveSession.model_validate_json(entry)


def with_live_session(caller: Caller, session: LiveSession) -> Caller:
    """*caller* with the session's current roles: those in the token may be outdated.

    Raises ``HttpProblem`` (401) if the session has ended or belongs to another user, or the key was withdrawn.
    """
    claims = caller.claims
    if claims is None or session.user_id != claims.user_id or session.expires_at <= datetime.now(UTC):
        raise HttpProblem("session_ended", headers={"WWW-Authenticate": "Bearer"})
    if claims.key_id in session.withdrawn_keys:
        raise token_problem("token_key_unknown")
    if session.roles == caller.actor.roles:
        return caller
    return replace(caller, actor=caller.actor.model_copy(update={"roles": session.roles}))


async def cache_session(cache: CacheReader, miss: Miss, session: LiveSession) -> None:
    left = (session.expires_at - datetime.now(UTC)).total_seconds()
    ttl_seconds = max(1.0, min(LIVE_SESSION_TTL.total_seconds(), left))
    await cache.fill(miss, session.model_dump_json().encode(), ttl_seconds=ttl_seconds)
