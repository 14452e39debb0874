"""The service's key pairs in this process: to sign tokens, to open sealed boxes, and to publish."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.database import Connection, Database
from chassis.key_pairs import KeyCipher, KeyPair, Purpose, active, is_in_use, load, maintain, unpadded, withdraw
from contracts.auth.keys import PublicKey

RELOAD_EVERY_SECONDS: Final = 60.0  # far below the hour that a signing key is published ahead of its use
ROTATE_EVERY_SECONDS: Final = 600.0  # how often it is looked whether a key is due


class NoSigningKey(Exception):
    """All signing keys are retired; ``autograph keys rotate signing`` makes a new one."""


class SigningKey(NamedTuple):
    id: str
    private: Ed25519PrivateKey


class KeyRing:
    def __init__(
        self,
        database: Database,
        cipher: KeyCipher,
        clock: Callable[[], datetime],
        *,
        rotate_after: timedelta,
        expire_after: timedelta,
    ) -> None:
        """*rotate_after*: how long a key is in use; *expire_after*: how long its tokens may still be valid."""
        self._database = database
        self._cipher = cipher
        self._clock = clock
        self._rotate_after = rotate_after
        self._expire_after = expire_after
        self._keys: dict[str, KeyPair] = {}
        self._signing: SigningKey | None = None

    async def maintain(self) -> None:
        """Make the first keys and those that are due. Raises ``KeysUnreadable`` under another secret than theirs."""
        async with self._database.connection() as connection:
            self._replace(
                await maintain(
                    connection,
                    self._cipher,
                    self._clock(),
                    rotate_after=self._rotate_after,
                    expire_after=self._expire_after,
                )
            )

    async def signing_key(self) -> SigningKey:
        """Raises ``NoSigningKey``."""
        key = active(self._keys.values(), Purpose.SIGNING, self._clock())
        if key is None or not await self._is_in_use(key.id):  # another process may have withdrawn it just now
            await self.reload()
            key = active(self._keys.values(), Purpose.SIGNING, self._clock())
        if key is None:
            raise NoSigningKey
        if self._signing is None or self._signing.id != key.id:
            self._signing = SigningKey(key.id, Ed25519PrivateKey.from_private_bytes(key.private))
        return self._signing

    async def sealing_key(self, key_id: str) -> bytes | None:
        """The private key (raw X25519) for boxes sealed to *key_id*; None if there is no such key."""
        if key_id not in self._keys:  # another process may have made it just now
            await self.reload()
        key = self._keys.get(key_id)
        return key.private if key is not None and key.purpose is Purpose.SEALING else None

    async def published(self) -> tuple[PublicKey, ...]:
        """All current public keys, including the next ones, from the database; newest first."""
        await self.reload()
        keys = sorted(self._keys.values(), key=lambda key: (key.active_from, key.id), reverse=True)
        return tuple(
            PublicKey(id=key.id, purpose=key.purpose.value, key=unpadded(key.public), active_from=key.active_from)
            for key in keys
        )

    async def withdraw(self, connection: Connection, key_id: str) -> str | None:
        """In the caller's transaction. Returns the id of the key that signs now; None if *key_id* is not in use."""
        successor = await withdraw(connection, self._cipher, key_id, self._clock())
        return None if successor is None else successor.id

    async def _is_in_use(self, key_id: str) -> bool:
        async with self._database.connection() as connection:
            return await is_in_use(connection, key_id)

    async def reload(self) -> None:
        async with self._database.connection() as connection:
            self._replace(await load(connection, self._cipher))

    def _replace(self, keys: list[KeyPair]) -> None:
        self._keys = {key.id: key for key in keys}
