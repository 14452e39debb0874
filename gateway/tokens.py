"""Verifies access tokens with the auth service's public keys."""

import asyncio
import base64
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.bus.ports import NotPublished
from chassis.bus.requester import ReplyTimeout
from chassis.logging import logger
from chassis.sealing import seal
from contracts.auth.keys import PublicKey, PublicKeys
from contracts.auth.sessions import TOKEN_ALGORITHM, TOKEN_AUDIENCE, TOKEN_ISSUER, TOKEN_TYPE
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Message
from contracts.sealed import sealed_fields
from gateway.problems import HttpProblem

LEEWAY_SECONDS = 30  # between this clock and the auth worker's
REFRESH_SECONDS = 60.0  # a next key is published an hour before it signs
UNKNOWN_KEY_PAUSE_SECONDS = 5.0  # forged key ids must not cause more requests than this
MAX_REMEMBERED_TOKENS = 20_000  # a signature check costs 0.2 ms of CPU (measured 2026-08)
MAX_TOKEN_BYTES = 4_096

_log = logger(__name__)

Fetch = Callable[[], Awaitable[PublicKeys]]


@dataclass(frozen=True, slots=True)
class Claims:
    actor: Actor
    user_id: UUID
    subject: str  # the user's id as text, which each request needs: writing it takes 1.5 us (2026-12-01)
    session_id: UUID
    expires_at: float  # POSIX seconds
    key_id: str


class PublicKeyCache:
    """The auth service's public keys, as last fetched. *fetch* raises what ``Requester.ask`` raises."""

    def __init__(
        self, fetch: Fetch, *, clock: Callable[[], float] = time.time, pace: Callable[[], float] = time.monotonic
    ) -> None:
        """*pace* is monotonic and paces the fetches: *clock* may be set back."""
        self._fetch = fetch
        self.clock = clock
        self.pace = pace
        self._keys: dict[str, PublicKey] = {}
        self._signing: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = float("-inf")
        self._last_fetch_succeeded = False  # whether the last fetch succeeded
        self._fetching = asyncio.Lock()
        self._loaded = asyncio.Event()

    async def refresh(self) -> None:
        """Asks now. Raises ``LookupError`` if there still are no keys."""
        await self._fetch_keys()
        await self.check()

    async def wait(self) -> None:
        """Wait until the first keys have arrived."""
        await self._loaded.wait()

    async def check(self) -> None:
        """For health: raises ``LookupError`` before the first keys have arrived."""
        if not self._keys:
            raise LookupError("no keys yet")

    def has(self, key_id: str) -> bool:
        """Whether it was among the signing keys at the last fetch."""
        return key_id in self._signing

    def drop(self, key_ids: Iterable[str]) -> None:
        """Forget withdrawn keys: the next token with an unknown key causes a fetch."""
        for key_id in key_ids:
            if self._keys.pop(key_id, None) is not None:
                self._fetched_at = float("-inf")
            self._signing.pop(key_id, None)

    async def signing(self, key_id: str) -> Ed25519PublicKey:
        """Raises ``HttpProblem``: 401 for an unknown key, 503 while keys cannot be fetched."""
        if key_id not in self._signing and self.pace() - self._fetched_at > UNKNOWN_KEY_PAUSE_SECONDS:
            await self._fetch_keys()
        key = self._signing.get(key_id)
        if key is not None:
            return key
        if not self._last_fetch_succeeded:  # it may be a new key: with 401 clients would discard valid tokens
            raise HttpProblem("unavailable", headers={"Retry-After": "1"})
        raise token_problem("token_key_unknown")

    def jwks(self) -> dict[str, Any]:
        """The signing keys including the next one (RFC 7517, RFC 8037). Raises ``HttpProblem`` while there are none."""
        if not self._keys:
            raise HttpProblem("unavailable", headers={"Retry-After": "1"})
        return {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "x": key.key, "kid": key.id, "alg": TOKEN_ALGORITHM, "use": "sig"}
                for key in self._keys.values()
                if key.purpose == "signing"
            ]
        }

    async def seal(self, message: Message, envelope: Envelope) -> Message:
        """*message* with its secrets sealed to the newest key. Raises ``NotPublished`` while there is none."""
        if not sealed_fields(type(message)):
            return message
        if not self._keys:
            await self._fetch_keys()
        now = datetime.fromtimestamp(self.clock() + LEEWAY_SECONDS, UTC)
        usable = [key for key in self._keys.values() if key.purpose == "sealing" and key.active_from <= now]
        if not usable:
            raise NotPublished("no key to seal to")
        newest = max(usable, key=lambda key: key.active_from)
        return seal(message, envelope.id, newest.id, _raw(newest.key))

    async def _fetch_keys(self) -> None:
        async with self._fetching:
            if self.pace() - self._fetched_at < 0.2:  # noqa: PLR2004 - another task has just fetched them
                return
            self._last_fetch_succeeded = False
            try:
                found = await self._fetch()
            except (NotPublished, ReplyTimeout, HttpProblem) as error:
                _log.warning("public_keys_not_fetched", error=type(error).__qualname__)
                return
            finally:
                self._fetched_at = self.pace()
            self._last_fetch_succeeded = True
            self._keys = {key.id: key for key in found.keys}
            if self._keys:
                self._loaded.set()
            self._signing = {
                key.id: Ed25519PublicKey.from_public_bytes(_raw(key.key))
                for key in found.keys
                if key.purpose == "signing"
            }


class AccessTokenVerifier:
    """Caches valid signatures for as long as the token lasts; whether its session is live is checked elsewhere."""

    def __init__(self, keys: PublicKeyCache, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self.clock = clock
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """Raises ``HttpProblem``: 401 with the reason, or 503 while the keys are not known."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        claims = self._verified.get(digest)
        if claims is None or not self._keys.has(claims.key_id):
            claims = await self._check(token)
            self._verified[digest] = claims
            if len(self._verified) > MAX_REMEMBERED_TOKENS:
                self._verified.popitem(last=False)
        if claims.expires_at + LEEWAY_SECONDS <= self.clock():
            self._verified.pop(digest, None)
            raise token_problem("token_expired")
        return claims

    def drop_keys(self, key_ids: Iterable[str]) -> None:
        self._keys.drop(key_ids)

    async def _check(self, token: str) -> Claims:
        if len(token) > MAX_TOKEN_BYTES:
            raise token_problem("invalid_token")
        try:
            header = jwt.get_unverified_header(token)
            # Before the key is looked up: a token must not choose the algorithm or type.
            if header.get("alg") != TOKEN_ALGORITHM or header.get("typ") != TOKEN_TYPE:
                raise token_problem("token_algorithm")
            key = await self._keys.signing(str(header.get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[TOKEN_ALGORITHM],
                audience=TOKEN_AUDIENCE,
                issuer=TOKEN_ISSUER,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "sid"]},
            )
            user_id, session_id = UUID(claims["sub"]), UUID(claims["sid"])
            roles = tuple(claims.get("roles", ()))
            actor = Actor(kind=ActorKind.USER, id=user_id, session_id=session_id, roles=roles)
            return Claims(actor, user_id, str(user_id), session_id, float(claims["exp"]), header["kid"])
        except jwt.ExpiredSignatureError:
            raise token_problem("token_expired") from None
        except jwt.InvalidSignatureError:
            raise token_problem("token_signature") from None
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
            raise token_problem("invalid_token") from None


def token_problem(code: str) -> HttpProblem:
    return HttpProblem(code, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


def _raw(key: str) -> bytes:
    return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
