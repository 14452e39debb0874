"""SQL on sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from chassis.database import Connection
from workers.auth.statements import TimedStatements

# The reasons in events, and the further ones of the operator's commands.
EndReason = Literal["signed_out", "signed_out_everywhere", "ended", "refresh_reuse", "too_many_sessions"]
OperatorReason = Literal["ended_by_operator", "locked", "password_reset"]


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


class SessionStorage(TimedStatements):
    async def add_session(self, connection: Connection, session: SessionRow, *, remember: bool) -> bool:
        """False: a session with this id exists."""
        with self.timed("add_session"):
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
        with self.timed("find_session"):
            record = await connection.fetchrow(f"{_SESSIONS} WHERE s.id = $1", session_id)
        return None if record is None else _session(record)

    async def live_session(
        self, connection: Connection, session_id: UUID, since: datetime
    ) -> tuple[SessionRow, tuple[str, ...]] | None:
        """The session, and the signing keys that were retired after *since*."""
        with self.timed("live_session"):
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
        with self.timed("lock_session"):
            record = await connection.fetchrow(f"{_SESSIONS} WHERE s.id = $1 FOR NO KEY UPDATE OF s", session_id)
        return None if record is None else _session(record)

    async def list_sessions(self, connection: Connection, user_id: UUID, now: datetime) -> list[SessionRow]:
        """The user's live sessions, newest first."""
        with self.timed("list_sessions"):
            records = await connection.fetch(
                f"{_SESSIONS} WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2"
                " ORDER BY s.created_at DESC, s.id DESC",
                user_id,
                now,
            )
        return [_session(record) for record in records]

    async def session_addresses(self, connection: Connection, email_key: str) -> list[str]:
        """The addresses of the account's sessions, as far back as sessions are kept."""
        with self.timed("session_addresses"):
            records = await connection.fetch(
                "SELECT DISTINCT address FROM sessions JOIN users ON users.id = user_id"
                " WHERE email_key = $1 AND address IS NOT NULL",
                email_key,
            )
        return [record["address"] for record in records]

    async def advance_session(
        self, connection: Connection, session_id: UUID, *, generation: int, used_generation: int, now: datetime
    ) -> None:
        with self.timed("advance_session"):
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
        with self.timed("end_session"):
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
        with self.timed("end_all_sessions"):
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
        with self.timed("end_oldest_sessions"):
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
        with self.timed("ended_sessions"):
            records = await connection.fetch(
                "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at > $2 ORDER BY revoked_at DESC LIMIT $3",
                user_id,
                since,
                limit,
            )
        return [record["id"] for record in records]

    async def delete_expired_sessions(self, connection: Connection, expired_before: datetime, limit: int) -> int:
        with self.timed("forget_sessions"):
            records = await connection.fetch(
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2) RETURNING 1",
                expired_before,
                limit,
            )
        return len(records)


_SESSIONS: Final = """
    SELECT s.id, s.user_id, s.created_at, s.expires_at, s.last_seen_at, s.generation, s.used_generation, s.device,
           s.address, s.revoked_at IS NOT NULL AS ended, u.locked_at IS NOT NULL AS locked, u.roles
    FROM sessions s JOIN users u ON u.id = s.user_id
"""


def _session(record: Any) -> SessionRow:
    values = dict(record)
    return SessionRow(**values | {"roles": tuple(values["roles"])})
