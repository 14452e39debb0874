"""A service's key pairs, stored encrypted in the table ``keys`` of its schema: creation, rotation, retirement."""

import base64
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from uuid_utils.compat import uuid7

from chassis import advisory_locks
from chassis.database import Connection, DirectConnection

NONCE_BYTES: Final = 12  # NIST SP 800-38D 8.2


class Purpose(StrEnum):
    SIGNING = "signing"  # Ed25519
    SEALING = "sealing"  # X25519, for libsodium's sealed boxes
    VAULT = "vault"  # AES-256, with no public part


# Verifiers must have fetched the next signing key before it signs. A sealing key is usable at once.
PUBLISH_AHEAD: Final = {
    Purpose.SIGNING: timedelta(hours=1), Purpose.SEALING: timedelta(0), Purpose.VAULT: timedelta(0)
}  # fmt: skip
# What a service holds and publishes, and rotates when it is due. A vault's key is made when it is first needed.
PAIRS: Final = (Purpose.SIGNING, Purpose.SEALING)
CLOCK_SKEW: Final = timedelta(minutes=5)  # between the machines of an installation
_CURVE: Final = {Purpose.SIGNING: "Ed25519", Purpose.SEALING: "X25519"}


class KeysUnreadable(Exception):
    """The private keys were encrypted under another secret."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public part of a key pair; ``public`` is raw 32 bytes."""

    id: str
    purpose: Purpose
    public: bytes
    created_at: datetime
    active_from: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeyPair(PublicKey):
    private: bytes = field(repr=False)  # raw 32 bytes


def derived_key(secret: str, use: str) -> bytes:
    """32 bytes derived from *secret* for one *use* (HKDF-SHA256, RFC 5869), so that no two uses share a key."""
    return HKDF(SHA256(), length=32, salt=None, info=f"autograph {use}".encode()).derive(secret.encode())


class KeyCipher:
    """Encrypts private keys at rest: AES-256-GCM, bound to the key's purpose and id."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESGCM(derived_key(secret, "keys at rest"))

    def encrypt(self, purpose: Purpose, key_id: str, private: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, private, f"{purpose}/{key_id}".encode())

    def decrypt(self, purpose: Purpose, key_id: str, encrypted: bytes) -> bytes:
        """Raises ``KeysUnreadable``."""
        try:
            return self._cipher.decrypt(
                encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], f"{purpose}/{key_id}".encode()
            )
        except (InvalidTag, ValueError):
            raise KeysUnreadable(f"key {key_id} was not encrypted under this secret, or was changed") from None


def active(keys: Iterable[KeyPair], purpose: Purpose, now: datetime) -> KeyPair | None:
    """The newest key that is in use at *now*."""
    usable = (key for key in keys if key.purpose is purpose and key.active_from <= now and key.retired_at is None)
    return max(usable, key=lambda key: (key.active_from, key.id), default=None)


def is_due(keys: Iterable[PublicKey], purpose: Purpose, now: datetime, rotate_after: timedelta) -> bool:
    """Whether the next key must be made: there is none, or the newest is older than *rotate_after*."""
    return all(key.created_at + rotate_after <= now for key in keys if key.purpose is purpose)


def expired_keys(keys: Iterable[PublicKey], now: datetime, expire_after: timedelta) -> list[str]:
    """Ids of signing keys whose successor has been in use for longer than *expire_after*: all that they signed expired.

    Sealing keys never expire: a parked message may need one.
    """
    signing = sorted((key for key in keys if key.purpose is Purpose.SIGNING), key=lambda key: (key.active_from, key.id))
    return [key.id for key, successor in pairwise(signing) if successor.active_from + expire_after < now]


async def rotate(
    connection: Connection | DirectConnection, cipher: KeyCipher, purpose: Purpose, now: datetime
) -> KeyPair:
    """Make the next key of *purpose*. The first is in use at once, a later one after ``PUBLISH_AHEAD``.

    Raises ``KeysUnreadable`` if the existing keys were encrypted under another secret: the service could not decrypt
    the new one.
    """
    async with connection.transaction():
        await lock_keys(connection)
        await load(connection, cipher, tuple(Purpose))
        return await make_key(connection, cipher, purpose, now)


async def maintain(
    connection: Connection, cipher: KeyCipher, now: datetime, *, rotate_after: timedelta, expire_after: timedelta
) -> list[KeyPair]:
    """Make keys that are due, retire keys that expired, and return all that are not retired.

    Concurrent calls take turns and return the same keys. Raises ``KeysUnreadable``.
    """
    async with connection.transaction():
        await lock_keys(connection)
        keys = await load(connection, cipher)
        keys += [
            await make_key(connection, cipher, purpose, now)
            for purpose in PAIRS
            if is_due(keys, purpose, now, rotate_after)
        ]
        gone = expired_keys(keys, now, expire_after)
        if gone:
            await connection.execute("UPDATE keys SET retired_at = $1 WHERE id = ANY($2::text[])", now, gone)
        return [key for key in keys if key.id not in gone]


async def withdraw(connection: Connection, cipher: KeyCipher, key_id: str, now: datetime) -> KeyPair | None:
    """Retire a signing key at once and return the key that signs from now on, which is made if there is none.

    ``None``: no such signing key is in use. Runs in the caller's transaction.
    """
    await lock_keys(connection)
    withdrawn = await connection.fetchval(
        "UPDATE keys SET retired_at = $2 WHERE id = $1 AND purpose = 'signing' AND retired_at IS NULL RETURNING true",
        key_id,
        now,
    )
    if not withdrawn:
        return None
    # The next key is published already: use it at once.
    await connection.execute(
        """
        UPDATE keys SET active_from = $1 WHERE id = (
            SELECT id FROM keys WHERE purpose = 'signing' AND retired_at IS NULL
            ORDER BY active_from DESC, id DESC LIMIT 1
        ) AND active_from > $1
        """,
        now - CLOCK_SKEW,
    )
    return active(await load(connection, cipher), Purpose.SIGNING, now) or await make_key(
        connection, cipher, Purpose.SIGNING, now
    )


async def is_in_use(connection: Connection, key_id: str) -> bool:
    """Whether the key exists and is not retired."""
    return bool(await connection.fetchval("SELECT true FROM keys WHERE id = $1 AND retired_at IS NULL", key_id))


async def load(
    connection: Connection | DirectConnection, cipher: KeyCipher, purposes: tuple[Purpose, ...] = PAIRS
) -> list[KeyPair]:
    """All of *purposes* that are not retired. Raises ``KeysUnreadable``."""
    records = await connection.fetch(
        f"SELECT {_PUBLIC}, private_key FROM keys WHERE retired_at IS NULL AND purpose = ANY($1::text[])",
        list(purposes),
    )
    return [
        KeyPair(
            *_public(record), private=cipher.decrypt(Purpose(record["purpose"]), record["id"], record["private_key"])
        )
        for record in records
    ]


async def list_all(connection: Connection | DirectConnection) -> list[PublicKey]:
    """The public parts, also of what is retired, newest first."""
    records = await connection.fetch(
        f"SELECT {_PUBLIC} FROM keys WHERE purpose = ANY($1::text[]) ORDER BY purpose, active_from DESC, id",
        list(Purpose),
    )
    return [PublicKey(*_public(record)) for record in records]


_PUBLIC: Final = "id, purpose, public_key, created_at, active_from, retired_at"


def _public(record: Any) -> tuple[str, Purpose, bytes, datetime, datetime, datetime | None]:
    return (
        record["id"],
        Purpose(record["purpose"]),
        record["public_key"],
        record["created_at"],
        record["active_from"],
        record["retired_at"],
    )


async def lock_keys(connection: Connection | DirectConnection) -> None:
    """Those who make or retire keys take turns, until the caller's transaction ends."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({advisory_locks.of_table('keys')})")


async def make_key(
    connection: Connection | DirectConnection, cipher: KeyCipher, purpose: Purpose, now: datetime
) -> KeyPair:
    """In the caller's transaction, which holds the lock of ``lock_keys``."""
    key_id, private, public = _generated(purpose)
    first = not await connection.fetchval(
        "SELECT count(*) FROM keys WHERE purpose = $1 AND retired_at IS NULL", purpose.value
    )
    created_at = now
    if purpose is Purpose.VAULT:  # the newest is the current one, also if whoever makes it has a clock that is behind
        newest = await connection.fetchval("SELECT max(created_at) FROM keys WHERE purpose = $1", purpose.value)
        if newest is not None:
            created_at = max(now, newest + timedelta(microseconds=1))
    key = KeyPair(
        id=key_id,
        purpose=purpose,
        public=public,
        created_at=created_at,
        active_from=now - CLOCK_SKEW if first else now + PUBLISH_AHEAD[purpose],
        retired_at=None,
        private=private,
    )
    await connection.execute(
        "INSERT INTO keys (id, purpose, public_key, private_key, created_at, active_from)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        key.id, purpose.value, public, cipher.encrypt(purpose, key.id, private), key.created_at, key.active_from,
    )  # fmt: skip
    return key


def _generated(purpose: Purpose) -> tuple[str, bytes, bytes]:
    """Id, private and public part."""
    if purpose is Purpose.VAULT:
        return str(uuid7()), AESGCM.generate_key(256), b""
    private_key = Ed25519PrivateKey.generate() if purpose is Purpose.SIGNING else X25519PrivateKey.generate()
    public = private_key.public_key().public_bytes_raw()
    return _thumbprint(purpose, public), private_key.private_bytes_raw(), public


def _thumbprint(purpose: Purpose, public: bytes) -> str:
    """The JWK thumbprint (RFC 7638, RFC 8037 appendix A.3): the id can be computed from the public key."""
    jwk = f'{{"crv":"{_CURVE[purpose]}","kty":"OKP","x":"{unpadded(public)}"}}'
    return unpadded(hashlib.sha256(jwk.encode()).digest())


def unpadded(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
