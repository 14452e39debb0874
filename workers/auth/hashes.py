"""Password hashes in two formats, and checking passwords against them. One check takes 0.3 s of CPU.

``$2b$12$…``: bcrypt of the password, of 72 bytes at most. Earlier releases read only this format.
``$hmac-sha384$<pepper>$2b$12$…``: bcrypt of the base64 of the password's HMAC-SHA-384 under a pepper, a secret that is
not in the database: passwords of a stolen database cannot be guessed, and no byte of a long password is ignored
(ASVS 6.2.9).
"""

import base64
import hmac
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

import bcrypt

from chassis.logging import logger
from contracts.auth.accounts import PASSWORD_MAX_BYTES
from workers.auth.rules import is_text, normalised

BCRYPT_BYTES: Final = 72  # it reads no further
DIGEST_CHARACTERS: Final = 31  # of a bcrypt hash, behind the 22 of its salt
_STORED: Final = re.compile(r"(?:\$hmac-sha384\$(?P<pepper>[0-9a-f]+)(?=\$))?(?P<bcrypt>\$2[aby]\$(?P<cost>\d\d)\$.+)")

log = logger(__name__)


class PasswordCheck(NamedTuple):
    matches: bool
    outdated: bool  # the stored hash should be replaced by a new one from ``Hashes.make``


@dataclass(frozen=True, slots=True)
class _StoredHash:
    bcrypt: bytes
    cost: int
    pepper: str | None

    @classmethod
    def read(cls, text: str) -> "_StoredHash":
        found = _STORED.fullmatch(text)
        if found is None:
            raise ValueError("not a password hash in a known format")
        return cls(found["bcrypt"].encode(), int(found["cost"]), found["pepper"])


class Hashes:
    """*peppers*: the one for new hashes first, then former ones. *peppered*: use the second format for all passwords.

    *highest_cost*: of all stored hashes. Every check takes as long as one at the higher of *highest_cost* and *cost*,
    so that its time reveals neither whether an account exists nor when it last signed in.
    """

    def __init__(self, *, cost: int, peppers: tuple[bytes, ...], peppered: bool, highest_cost: int = 0) -> None:
        self._cost = cost
        self._peppers = {hmac.digest(pepper, b"name", "sha256").hex()[:8]: pepper for pepper in peppers}
        self._current = next(iter(self._peppers))
        self._peppered = peppered
        self._max_cost = max(cost, highest_cost)
        # Checked where there is no account: takes as long as a real hash, and no password matches it.
        self._dummy_hash = (bcrypt.gensalt(cost) + b"." * DIGEST_CHARACTERS).decode()

    def make(self, password: str) -> str:
        """*password* has passed ``check_new_password``."""
        text = normalised(password)
        salt = bcrypt.gensalt(self._cost)
        if not self._peppered and len(text.encode()) <= BCRYPT_BYTES:
            return bcrypt.hashpw(text.encode(), salt).decode()
        return f"$hmac-sha384${self._current}{bcrypt.hashpw(self._prehash(text, self._current), salt).decode()}"

    def check(self, password: str, stored: str | None) -> PasswordCheck:
        """*stored* is None where there is no account: no match, after the same time."""
        text = normalised(password) if is_text(password) else ""
        if not is_text(password) or len(text.encode()) > PASSWORD_MAX_BYTES:
            return PasswordCheck(
                matches=False, outdated=False
            )  # no account has such a password: the quick answer reveals nothing
        stored_hash = _StoredHash.read(stored or self._dummy_hash)
        matches = self._matches(text, stored_hash)
        # Earlier releases did not normalise passwords.
        matches_unnormalised = password != text and self._matches(password, stored_hash) and stored_hash.pepper is None
        if stored is None or not (matches or matches_unnormalised):
            return PasswordCheck(matches=False, outdated=False)
        return PasswordCheck(matches=True, outdated=not matches or self._is_outdated(stored_hash, text))

    def _is_outdated(self, stored_hash: _StoredHash, text: str) -> bool:
        if stored_hash.cost != self._cost or not stored_hash.bcrypt.startswith(b"$2b$"):
            return True
        if stored_hash.pepper is None:
            return self._peppered or len(text.encode()) > BCRYPT_BYTES
        return stored_hash.pepper != self._current

    def _matches(self, text: str, stored_hash: _StoredHash) -> bool:
        secret = self._secret(text, stored_hash)
        matches = bcrypt.checkpw(b"" if secret is None else secret, stored_hash.bcrypt)
        # 2^c + 2^c + 2^(c+1) + … is the time of the highest cost.
        for cost in range(stored_hash.cost, self._max_cost):
            bcrypt.hashpw(b"", bcrypt.gensalt(cost))
        return matches and secret is not None

    def _secret(self, text: str, stored_hash: _StoredHash) -> bytes | None:
        if stored_hash.pepper is None:
            secret = text.encode()
            return secret if len(secret) <= BCRYPT_BYTES else None
        if stored_hash.pepper not in self._peppers:
            log.error("password_pepper_missing", pepper=stored_hash.pepper)
            return None
        return self._prehash(text, stored_hash.pepper)

    def _prehash(self, text: str, pepper: str) -> bytes:
        return base64.b64encode(hmac.digest(self._peppers[pepper], text.encode(), "sha384"))
