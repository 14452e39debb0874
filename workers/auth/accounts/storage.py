"""SQL on accounts."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection
from workers.auth.statements import TimedStatements


@dataclass(frozen=True, slots=True)
class Account:
    id: UUID
    email: str
    name: str | None
    roles: tuple[str, ...]
    email_verified: bool
    created_at: datetime
    locked: bool = False
    password_hash: str | None = field(default=None, repr=False)  # None: a service user, which cannot sign in


class AccountStorage(TimedStatements):
    async def add_account(self, connection: Connection, account: Account, email_key: str) -> bool:
        """False: an account with this address exists. Waits for a concurrent registration of the address."""
        with self.timed("add_account"):
            added = await connection.fetchval(
                "INSERT INTO users (id, email, email_key, name, password_hash, roles, created_at, updated_at, sequence)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1) ON CONFLICT (email_key) DO NOTHING RETURNING true",
                account.id,
                account.email,
                email_key,
                account.name,
                account.password_hash,
                account.roles,
                account.created_at,
            )
        return bool(added)

    async def highest_cost(self, connection: Connection) -> int:
        """The highest cost of all password hashes; 0 if there are none. Reads the whole table."""
        with self.timed("highest_cost"):
            found: int = await connection.fetchval(
                r"SELECT coalesce(max(substring(password_hash FROM '\$2[aby]\$(\d\d)\$')::int), 0) FROM users"
            )
        return found

    async def find_account(self, connection: Connection, user_id: UUID) -> Account | None:
        with self.timed("find_account"):
            record = await connection.fetchrow(f"SELECT {_ACCOUNT} FROM users WHERE id = $1", user_id)
        return _account(record)

    async def find_account_by_email(self, connection: Connection, email_key: str) -> Account | None:
        with self.timed("find_account_by_email"):
            record = await connection.fetchrow(f"SELECT {_ACCOUNT} FROM users WHERE email_key = $1", email_key)
        return _account(record)

    async def lock_account(self, connection: Connection, user_id: UUID) -> bool:
        """Until the transaction ends. Lock the account before changing several sessions: this prevents deadlocks."""
        with self.timed("lock_account"):
            found = await connection.fetchval("SELECT true FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
        return bool(found)

    async def record_sign_in(
        self, connection: Connection, user_id: UUID, password_hash: str, new_hash: str | None, now: datetime
    ) -> Account | None:
        """Locks the account row. None: the account was locked, or its password changed, during the password check."""
        with self.timed("let_in"):
            record = await connection.fetchrow(
                "UPDATE users SET last_login_at = $4, password_hash = coalesce($3, password_hash)"
                f" WHERE id = $1 AND password_hash = $2 AND locked_at IS NULL RETURNING {_ACCOUNT}",
                user_id,
                password_hash,
                new_hash,
                now,
            )
        return _account(record)

    async def set_locked(self, connection: Connection, user_id: UUID, now: datetime, *, locked: bool) -> bool:
        """Locks the account row. False: no person has this id."""
        with self.timed("set_locked"):
            found = await connection.fetchval(
                "UPDATE users SET locked_at = CASE WHEN $3 THEN coalesce(locked_at, $2) END, updated_at = $2"
                " WHERE id = $1 AND kind = 'person' RETURNING true",
                user_id,
                now,
                locked,
            )
        return bool(found)

    async def set_administrator(
        self, connection: Connection, user_id: UUID, now: datetime, *, administrator: bool
    ) -> Account | None:
        """Locks the account row. None: no person has this id."""
        with self.timed("set_administrator"):
            record = await connection.fetchrow(
                "UPDATE users SET updated_at = $2, roles = array_remove(roles, 'admin')"
                " || CASE WHEN $3 THEN ARRAY['admin'] ELSE '{}' END"
                f" WHERE id = $1 AND kind = 'person' RETURNING {_ACCOUNT}",
                user_id,
                now,
                administrator,
            )
        return _account(record)

    async def set_password(
        self, connection: Connection, user_id: UUID, password_hash: str, now: datetime
    ) -> Account | None:
        """Locks the account row. None: no person has this id."""
        with self.timed("set_password"):
            record = await connection.fetchrow(
                "UPDATE users SET password_hash = $2, updated_at = $3"
                f" WHERE id = $1 AND kind = 'person' RETURNING {_ACCOUNT}",
                user_id,
                password_hash,
                now,
            )
        return _account(record)

    async def rename(
        self, connection: Connection, user_id: UUID, name: str | None, now: datetime
    ) -> tuple[Account, int] | None:
        """The renamed account, and its next sequence number."""
        with self.timed("rename"):
            record = await connection.fetchrow(
                "UPDATE users SET name = $2, updated_at = $3, sequence = sequence + 1"
                f" WHERE id = $1 RETURNING {_ACCOUNT}, sequence",
                user_id,
                name,
                now,
            )
        account = _account(record)
        return None if record is None or account is None else (account, record["sequence"])


_ACCOUNT: Final = "id, email, name, roles, email_verified, created_at, locked_at IS NOT NULL AS locked, password_hash"


def _account(record: Any) -> Account | None:
    if record is None:
        return None
    return Account(
        id=record["id"],
        email=record["email"],
        name=record["name"],
        roles=tuple(record["roles"]),
        email_verified=record["email_verified"],
        created_at=record["created_at"],
        locked=record["locked"],
        password_hash=record["password_hash"],
    )
