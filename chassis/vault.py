"""Secrets of users at rest: credentials for other servers, which must be read again to be used.

A ciphertext is ``key id (16) ‖ nonce (12) ‖ box`` under AES-256-GCM, bound to table, row and column: copied elsewhere
it cannot be opened. Keys are those of purpose ``vault`` in the table ``keys`` of the service's schema.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry, Counter

from chassis.database import Connection, Database
from chassis.jobs.job import Job
from chassis.jobs.runner import JobRun, JobRunner
from chassis.key_pairs import NONCE_BYTES, KeyCipher, Purpose, lock_keys, make_key
from chassis.logging import logger

KEY_ID_BYTES: Final = 16
PAGE: Final = 100  # rows that are encrypted anew in one transaction
REENCRYPT_EVERY_SECONDS: Final = 3600.0
RACES: Final = 5  # lost in a row against a rotation

log = logger(__name__)


class VaultUnreadable(Exception):
    """The ciphertext was changed, belongs to another row or column, or its key is gone or of another secret."""


class VaultColumn(NamedTuple):
    """A ``bytea`` column that holds ciphertexts, in a table whose key is a ``uuid``. The names are constants."""

    table: str
    id: str
    column: str


class Vault:
    def __init__(self, safe: KeyCipher, columns: Sequence[VaultColumn], registry: CollectorRegistry) -> None:
        """*columns*: all there are; a key is retired when none of them names it."""
        self._safe = safe
        self._columns = tuple(columns)
        self._ciphers: dict[UUID, AESGCM] = {}
        self._rows = Counter(
            "autograph_vault_rows_total",
            "Secrets encrypted anew after a rotation, by outcome: done, unreadable.",
            ("outcome",),
            registry=registry,
        )

    async def encrypt(self, connection: Connection, secret: bytes, column: VaultColumn, row: UUID) -> bytes:
        """For the caller's transaction, which must write it: until then the key that it names cannot be retired."""
        key = await self._active(connection)
        nonce = os.urandom(NONCE_BYTES)
        cipher = await self._cipher(connection, key)
        return key.bytes + nonce + cipher.encrypt(nonce, secret, _bound_to(column, row))

    async def decrypt(self, connection: Connection, ciphertext: bytes, column: VaultColumn, row: UUID) -> bytes:
        """Raises ``VaultUnreadable``, and ``KeysUnreadable`` under another secret than that of the keys."""
        start = KEY_ID_BYTES + NONCE_BYTES
        if len(ciphertext) <= start:
            raise VaultUnreadable("too short")
        cipher = await self._cipher(connection, UUID(bytes=ciphertext[:KEY_ID_BYTES]))
        try:
            return cipher.decrypt(ciphertext[KEY_ID_BYTES:start], ciphertext[start:], _bound_to(column, row))
        except InvalidTag:
            raise VaultUnreadable("changed, or another row's") from None

    async def reencrypt(self, database: Database) -> int:
        """Encrypts anew what former keys encrypted, and retires those that no row names then; returns the rows."""
        done = 0
        for column in self._columns:
            last: UUID | None = UUID(int=0)
            while last is not None:
                count, last = await self._reencrypt_page(database, column, last)
                done += count
        await self._retire(database)
        return done

    async def _reencrypt_page(self, database: Database, column: VaultColumn, after: UUID) -> tuple[int, UUID | None]:
        done = 0
        async with database.transaction() as connection:
            key = await self._active(connection)
            rows = await connection.fetch(_former(column), key.bytes, after, PAGE)
            for row_id, ciphertext in rows:
                try:
                    secret = await self.decrypt(connection, ciphertext, column, row_id)
                except VaultUnreadable as error:
                    log.error("vault_row_unreadable", table=column.table, row=str(row_id), reason=str(error))  # noqa: TRY400 - no trace
                    self._rows.labels("unreadable").inc()
                    continue
                anew = await self.encrypt(connection, secret, column, row_id)
                await connection.execute(_update(column), row_id, anew)
                done += 1
        self._rows.labels("done").inc(done)
        return done, rows[-1][0] if len(rows) == PAGE else None

    async def _retire(self, database: Database) -> None:
        async with database.transaction() as connection:
            # Waits for whoever encrypts with one of them just now, so that its row is seen.
            former = await connection.fetch(_LOCK_FORMER)
            for record in former:
                named = [
                    await connection.fetchval(_names(column), UUID(record["id"]).bytes) for column in self._columns
                ]
                if not any(named):
                    await connection.execute("UPDATE keys SET retired_at = now() WHERE id = $1", record["id"])
                    log.info("vault_key_retired", key=record["id"])

    async def _active(self, connection: Connection) -> UUID:
        """The newest, which is not retired before the caller's transaction ends. Makes the first."""
        for _ in range(RACES):
            found = await connection.fetchval(_ACTIVE)
            if found is not None:
                return UUID(found)
            await lock_keys(connection)
            if await connection.fetchval(_ACTIVE) is None:
                await make_key(connection, self._safe, Purpose.VAULT, datetime.now(UTC))
        raise VaultUnreadable("no key")

    async def _cipher(self, connection: Connection, key: UUID) -> AESGCM:
        """Also of a retired key: a backup may have been restored that names it."""
        cipher = self._ciphers.get(key)
        if cipher is None:
            locked = await connection.fetchval(
                "SELECT private_key FROM keys WHERE id = $1 AND purpose = 'vault'", str(key)
            )
            if locked is None:
                raise VaultUnreadable("its key is gone")
            cipher = self._ciphers[key] = AESGCM(self._safe.decrypt(Purpose.VAULT, str(key), locked))
        return cipher


class ReencryptVault(Job):
    name: ClassVar[str] = "reencrypt_vault"


def schedule_reencryption(jobs: JobRunner, vault: Vault, database: Database) -> None:
    async def reencrypt(_: ReencryptVault, __: JobRun) -> None:
        await vault.reencrypt(database)

    jobs.schedule(ReencryptVault(), reencrypt, every_seconds=REENCRYPT_EVERY_SECONDS)


def _bound_to(column: VaultColumn, row: UUID) -> bytes:
    return f"{column.table}/{row}/{column.column}".encode()


def _former(column: VaultColumn) -> str:
    return f"""
        SELECT {column.id}, {column.column} FROM {column.table}
        WHERE substring({column.column} FROM 1 FOR {KEY_ID_BYTES}) <> $1 AND {column.id} > $2
        ORDER BY {column.id} LIMIT $3
        FOR UPDATE
    """


def _update(column: VaultColumn) -> str:
    return f"UPDATE {column.table} SET {column.column} = $2 WHERE {column.id} = $1"


def _names(column: VaultColumn) -> str:
    where = f"substring({column.column} FROM 1 FOR {KEY_ID_BYTES}) = $1"
    return f"SELECT EXISTS (SELECT FROM {column.table} WHERE {where})"


_ACTIVE: Final = """
    SELECT id FROM keys WHERE purpose = 'vault' AND retired_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 1
    FOR SHARE
"""
_LOCK_FORMER: Final = """
    SELECT id FROM keys
    WHERE purpose = 'vault' AND retired_at IS NULL AND (created_at, id) < (
        SELECT created_at, id FROM keys WHERE purpose = 'vault' AND retired_at IS NULL
        ORDER BY created_at DESC, id DESC LIMIT 1
    )
    ORDER BY created_at, id
    FOR UPDATE
"""
