"""All SQL of the auth service. Table names have no schema: the role's search path sets it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from chassis.database import Connection
from chassis.metrics import AuthMetrics

# The reasons in events, and the further ones of the operator's commands.
EndReason = Literal["signed_out", "signed_out_everywhere", "ended", "refresh_reuse", "too_many_sessions"]
OperatorReason = Literal["ended_by_operator", "locked", "password_reset"]


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


@dataclass(frozen=True, slots=True)
class SessionRow:
    id: UUID
    user_id: UUID
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime
    generation: int
    used_generation: int
    device: str | None
    address: str | None
    ended: bool
    locked: bool  # the user is
    roles: tuple[str, ...]  # of the user

    def lives(self, now: datetime) -> bool:
        return not self.ended and not self.locked and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, and the outcome. No secrets, and no personal data that may have to be erased."""

    id: UUID
    occurred_at: datetime
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject: str | None
    outcome: Literal["succeeded", "refused", "failed"]
    correlation_id: str
    address: str | None = None
    device: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


class Storage:
    """One method per statement, with metrics under the method's name."""

    def __init__(self, metrics: AuthMetrics) -> None:
        self._metrics = metrics

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        self._metrics.queries.labels(operation).inc()
        with self._metrics.query_seconds.labels(operation).time():
            yield

    # Accounts

    async def add_account(self, connection: Connection, account: Account, email_key: str) -> bool:
        """False: an account with this address exists. Waits for a concurrent registration of the address."""
        with self._timed("add_account"):
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
        with self._timed("highest_cost"):
            found: int = await connection.fetchval(
                r"SELECT coalesce(max(substring(password_hash FROM '\$2[aby]\$(\d\d)\$')::int), 0) FROM users"
            )
        return found

    async def find_account(self, connection: Connection, user_id: UUID) -> Account | None:
        with self._timed("find_account"):
            record = await connection.fetchrow(f"SELECT {_ACCOUNT} FROM users WHERE id = $1", user_id)
        return _account(record)

    async def find_account_by_email(self, connection: Connection, email_key: str) -> Account | None:
        with self._timed("find_account_by_email"):
            record = await connection.fetchrow(f"SELECT {_ACCOUNT} FROM users WHERE email_key = $1", email_key)
        return _account(record)

    async def lock_account(self, connection: Connection, user_id: UUID) -> bool:
        """Until the transaction ends. Lock the account before changing several sessions: this prevents deadlocks."""
        with self._timed("lock_account"):
            found = await connection.fetchval("SELECT true FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)
        return bool(found)

    async def record_sign_in(
        self, connection: Connection, user_id: UUID, password_hash: str, new_hash: str | None, now: datetime
    ) -> Account | None:
        """Locks the account row. None: the account was locked, or its password changed, during the password check."""
        with self._timed("let_in"):
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
        with self._timed("set_locked"):
            found = await connection.fetchval(
                "UPDATE users SET locked_at = CASE WHEN $3 THEN coalesce(locked_at, $2) END, updated_at = $2"
                " WHERE id = $1 AND kind = 'person' RETURNING true",
                user_id,
                now,
                locked,
            )
        return bool(found)

    async def set_password(
        self, connection: Connection, user_id: UUID, password_hash: str, now: datetime
    ) -> Account | None:
        """Locks the account row. None: no person has this id."""
        with self._timed("set_password"):
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
        with self._timed("rename"):
            record = await connection.fetchrow(
                "UPDATE users SET name = $2, updated_at = $3, sequence = sequence + 1"
                f" WHERE id = $1 RETURNING {_ACCOUNT}, sequence",
                user_id,
                name,
                now,
            )
        account = _account(record)
        return None if record is None or account is None else (account, record["sequence"])

    # Sessions

    async def add_session(self, connection: Connection, session: SessionRow, *, remember: bool) -> bool:
        """False: a session with this id exists."""
        with self._timed("add_session"):
            added = await connection.fetchval(
                "INSERT INTO sessions (id, user_id, created_at, expires_at, last_seen_at, remember, device, address)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING RETURNING true",
                session.id,
                session.user_id,
                session.created_at,
                session.expires_at,
                session.last_seen_at,
                remember,
                session.device,
                session.address,
            )
        return bool(added)

    async def find_session(self, connection: Connection, session_id: UUID) -> SessionRow | None:
        with self._timed("find_session"):
            record = await connection.fetchrow(f"{_SESSIONS} WHERE s.id = $1", session_id)
        return None if record is None else _session(record)

    async def live_session(
        self, connection: Connection, session_id: UUID, since: datetime
    ) -> tuple[SessionRow, tuple[str, ...]] | None:
        """The session, and the signing keys that were retired after *since*."""
        with self._timed("live_session"):
            record = await connection.fetchrow(
                f"""
                WITH found AS ({_SESSIONS} WHERE s.id = $1)
                SELECT found.*, ARRAY(
                    SELECT id FROM keys WHERE purpose = 'signing' AND retired_at > $2 ORDER BY id
                ) AS withdrawn FROM found
                """,
                session_id,
                since,
            )
        if record is None:
            return None
        values = dict(record)
        withdrawn = tuple(values.pop("withdrawn"))
        return _session(values), withdrawn

    async def lock_session(self, connection: Connection, session_id: UUID) -> SessionRow | None:
        with self._timed("lock_session"):
            record = await connection.fetchrow(f"{_SESSIONS} WHERE s.id = $1 FOR NO KEY UPDATE OF s", session_id)
        return None if record is None else _session(record)

    async def list_sessions(self, connection: Connection, user_id: UUID, now: datetime) -> list[SessionRow]:
        """The user's live sessions, newest first."""
        with self._timed("list_sessions"):
            records = await connection.fetch(
                f"{_SESSIONS} WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2"
                " ORDER BY s.created_at DESC, s.id DESC",
                user_id,
                now,
            )
        return [_session(record) for record in records]

    async def session_addresses(self, connection: Connection, email_key: str) -> list[str]:
        """The addresses of the account's sessions, as far back as sessions are kept."""
        with self._timed("session_addresses"):
            records = await connection.fetch(
                "SELECT DISTINCT address FROM sessions JOIN users ON users.id = user_id"
                " WHERE email_key = $1 AND address IS NOT NULL",
                email_key,
            )
        return [record["address"] for record in records]

    async def advance_session(
        self, connection: Connection, session_id: UUID, *, generation: int, used_generation: int, now: datetime
    ) -> None:
        with self._timed("advance_session"):
            await connection.execute(
                "UPDATE sessions SET generation = $2, used_generation = $3, last_seen_at = $4 WHERE id = $1",
                session_id,
                generation,
                used_generation,
                now,
            )

    async def end_session(
        self, connection: Connection, session_id: UUID, user_id: UUID, reason: EndReason, now: datetime
    ) -> bool:
        """False: the user has no such live session."""
        with self._timed("end_session"):
            ended = await connection.fetchval(
                "UPDATE sessions SET revoked_at = $4, revoked_reason = $3"
                " WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $4 RETURNING true",
                session_id,
                user_id,
                reason,
                now,
            )
        return bool(ended)

    async def end_all_sessions(
        self, connection: Connection, user_id: UUID, reason: EndReason | OperatorReason, now: datetime
    ) -> list[UUID]:
        """Lock the account first."""
        with self._timed("end_all_sessions"):
            records = await connection.fetch(
                "UPDATE sessions SET revoked_at = $2, revoked_reason = $3"
                " WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 RETURNING id",
                user_id,
                now,
                reason,
            )
        return [record["id"] for record in records]

    async def end_oldest_sessions(
        self, connection: Connection, user_id: UUID, newest: UUID, others: int, now: datetime
    ) -> list[UUID]:
        """Ends all sessions but *newest* and *others* more. Lock the account first."""
        with self._timed("end_oldest_sessions"):
            records = await connection.fetch(
                """
                UPDATE sessions SET revoked_at = $4, revoked_reason = 'too_many_sessions'
                WHERE revoked_at IS NULL AND id IN (
                    SELECT id FROM sessions
                    WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL AND expires_at > $4
                    ORDER BY created_at DESC, id DESC OFFSET $3
                )
                RETURNING id
                """,
                user_id,
                newest,
                others,
                now,
            )
        return [record["id"] for record in records]

    async def ended_sessions(self, connection: Connection, user_id: UUID, since: datetime, limit: int) -> list[UUID]:
        """The user's sessions that ended after *since*, whoever ended them; last ended first."""
        with self._timed("ended_sessions"):
            records = await connection.fetch(
                "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at > $2 ORDER BY revoked_at DESC LIMIT $3",
                user_id,
                since,
                limit,
            )
        return [record["id"] for record in records]

    async def delete_expired_sessions(self, connection: Connection, expired_before: datetime, limit: int) -> int:
        with self._timed("forget_sessions"):
            records = await connection.fetch(
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2) RETURNING 1",
                expired_before,
                limit,
            )
        return len(records)

    # The audit log

    async def add_audit_entry(self, connection: Connection, entry: AuditEntry) -> None:
        """A trigger chains it to the previous entry under a lock that is held until commit: call this last."""
        with self._timed("add_audit_entry"):
            await connection.execute(
                "INSERT INTO audit_log (id, occurred_at, actor_kind, actor_id, action, subject, outcome, address,"
                " device, correlation_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                entry.id,
                entry.occurred_at,
                entry.actor_kind,
                entry.actor_id,
                entry.action,
                entry.subject,
                entry.outcome,
                entry.address,
                entry.device,
                entry.correlation_id,
                entry.detail,
            )


_ACCOUNT: Final = "id, email, name, roles, email_verified, created_at, locked_at IS NOT NULL AS locked, password_hash"

_SESSIONS: Final = """
    SELECT s.id, s.user_id, s.created_at, s.expires_at, s.last_seen_at, s.generation, s.used_generation, s.device,
           s.address, s.revoked_at IS NOT NULL AS ended, u.locked_at IS NOT NULL AS locked, u.roles
    FROM sessions s JOIN users u ON u.id = s.user_id
"""


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


def _session(record: Any) -> SessionRow:
    values = dict(record)
    return SessionRow(**values | {"roles": tuple(values["roles"])})
