"""Access tokens, which gateways verify by themselves, and refresh tokens, which are computed instead of stored."""

import base64
import binascii
import hmac
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import jwt

from chassis.key_pairs import derived_key, unpadded
from contracts.auth.sessions import (
    TOKEN_ALGORITHM,
    TOKEN_AUDIENCE,
    TOKEN_ISSUER,
    TOKEN_TYPE,
    InvalidRefreshToken,
    Tokens,
)
from workers.auth.keys import KeyRing
from workers.auth.rules import Lifetimes

MAX_NUMBER_DIGITS: Final = 10  # digits; a session lives 30 days and its generation is a 32-bit integer


class ParsedRefreshToken(NamedTuple):
    session_id: UUID
    number: int


class RefreshTokenSigner:
    """``<session>.<number>.<mac>``: deterministic for a session and number, and unforgeable without the secret."""

    def __init__(self, secret: str) -> None:
        self._key = derived_key(secret, "refresh tokens")

    def issue(self, session_id: UUID, number: int) -> str:
        signed = f"{unpadded(session_id.bytes)}.{number}"
        return f"{signed}.{unpadded(hmac.digest(self._key, signed.encode(), 'sha256'))}"

    def read(self, token: str) -> ParsedRefreshToken:
        """Raises InvalidRefreshToken for every text that ``issue`` does not return exactly."""
        session, _, rest = token.partition(".")
        number = rest.partition(".")[0]
        if not (number.isascii() and number.isdigit() and len(number) <= MAX_NUMBER_DIGITS):
            raise InvalidRefreshToken
        try:
            presented = ParsedRefreshToken(UUID(bytes=base64.urlsafe_b64decode(f"{session}==")), int(number))
        except (ValueError, binascii.Error):
            raise InvalidRefreshToken from None
        if not hmac.compare_digest(self.issue(*presented).encode(), token.encode(errors="replace")):
            raise InvalidRefreshToken
        return presented


class TokenIssuer:
    """Issues a session's pair of access and refresh token."""

    def __init__(self, keys: KeyRing, refresh_tokens: RefreshTokenSigner, lifetimes: Lifetimes) -> None:
        self._keys = keys
        self._refresh_tokens = refresh_tokens
        self._lifetimes = lifetimes

    async def issue(
        self,
        *,
        user_id: UUID,
        roles: tuple[str, ...],
        session_id: UUID,
        session_end: datetime,
        number: int,
        now: datetime,
    ) -> Tokens:
        key = await self._keys.signing_key()
        issued_at = int(now.timestamp())
        expires_at = int(self._lifetimes.access_token_end(now, session_end).timestamp())
        claims = {
            "iss": TOKEN_ISSUER,
            "aud": TOKEN_AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "roles": list(roles),
            "iat": issued_at,
            "exp": expires_at,
        }
        return Tokens(
            access_token=jwt.encode(
                claims, key.private, algorithm=TOKEN_ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": key.id}
            ),
            refresh_token=self._refresh_tokens.issue(session_id, number),
            expires_in=max(0, expires_at - issued_at),
            session_id=session_id,
        )
