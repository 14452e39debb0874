"""Accounts and sessions in memory: what the auth service's ``Storage`` is asked on the ways that a run takes.

By method and not by statement. ``tests/integration/workers/auth/test_storage_double.py`` tells both the same stories.
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from tests.simulation.postgres import Row, Transaction
from workers.auth.storage import Account, AuditEntry, EndReason, OperatorReason, SessionRow, Storage


class StorageInMemory(Storage):
    """What is not here would ask PostgreSQL, which its double refuses."""

    async def add_account(self, connection: Any, account: Account, email_key: str) -> bool:
        async def add_account(work: Transaction) -> Row | None:
            await work.lock("users", (email_key,))
            if any(row["email_key"] == email_key for row in work.rows("users")):
                return None
            work.write("users", (account.id,), asdict(account) | {"email_key": email_key})
            return {"": True}

        return bool(await connection.carry_out(add_account))

    async def find_account_by_email(self, connection: Any, email_key: str) -> Account | None:
        async def find_account_by_email(work: Transaction) -> list[Row]:
            return [row for row in work.rows("users") if row["email_key"] == email_key]

        return _account(await connection.carry_out(find_account_by_email))

    async def lock_account(self, connection: Any, user_id: UUID) -> bool:
        async def lock_account(work: Transaction) -> Row | None:
            await work.lock("users", (user_id,))
            return work.read("users", (user_id,))

        return bool(await connection.carry_out(lock_account))

    async def record_sign_in(
        self, connection: Any, user_id: UUID, password_hash: str, new_hash: str | None, now: datetime
    ) -> Account | None:
        async def record_sign_in(work: Transaction) -> Row | None:
            await work.lock("users", (user_id,))
            row = work.read("users", (user_id,))
            if row is None or row["locked"] or row["password_hash"] != password_hash:
                return None
            row = {**row, "password_hash": new_hash or password_hash, "last_login_at": now}
            work.write("users", (user_id,), row)
            return row

        return _account(await connection.carry_out(record_sign_in))

    async def add_session(self, connection: Any, session: SessionRow, *, remember: bool) -> bool:  # noqa: ARG002 - theirs
        async def add_session(work: Transaction) -> Row | None:
            await work.lock("sessions", (session.id,))
            if work.read("sessions", (session.id,)) is not None:
                return None
            work.write("sessions", (session.id,), asdict(session) | {"revoked_at": None})
            return {"": True}

        return bool(await connection.carry_out(add_session))

    async def find_session(self, connection: Any, session_id: UUID) -> SessionRow | None:
        async def find_session(work: Transaction) -> Row | None:
            return work.read("sessions", (session_id,))

        return _session(await connection.carry_out(find_session))

    async def live_session(
        self,
        connection: Any,
        session_id: UUID,
        since: datetime,  # noqa: ARG002 - no key is ever withdrawn here
    ) -> tuple[SessionRow, tuple[str, ...]] | None:
        found = await self.find_session(connection, session_id)
        return None if found is None else (found, ())

    async def end_session(
        self, connection: Any, session_id: UUID, user_id: UUID, reason: EndReason, now: datetime
    ) -> bool:
        async def end_session(work: Transaction) -> list[Row]:
            return await _end(work, lambda row: row["id"] == session_id and _lives(row, user_id, now), reason, now)

        return bool(await connection.carry_out(end_session))

    async def end_all_sessions(
        self, connection: Any, user_id: UUID, reason: EndReason | OperatorReason, now: datetime
    ) -> list[UUID]:
        async def end_all_sessions(work: Transaction) -> list[Row]:
            return await _end(work, lambda row: _lives(row, user_id, now), reason, now)

        return [row["id"] for row in await connection.carry_out(end_all_sessions)]

    async def end_oldest_sessions(
        self, connection: Any, user_id: UUID, newest: UUID, others: int, now: datetime
    ) -> list[UUID]:
        async def end_oldest_sessions(work: Transaction) -> list[Row]:
            living = [row for row in work.rows("sessions") if row["id"] != newest and _lives(row, user_id, now)]
            living.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
            oldest = {row["id"] for row in living[others:]}
            return await _end(work, lambda row: row["id"] in oldest, "too_many_sessions", now)

        return [row["id"] for row in await connection.carry_out(end_oldest_sessions)]

    async def ended_sessions(self, connection: Any, user_id: UUID, since: datetime, most: int) -> list[UUID]:
        async def ended_sessions(work: Transaction) -> list[Row]:
            mine = [row for row in work.rows("sessions") if row["user_id"] == user_id and row["revoked_at"] is not None]
            mine.sort(key=lambda row: row["revoked_at"], reverse=True)
            return [row for row in mine if row["revoked_at"] > since][:most]

        return [row["id"] for row in await connection.carry_out(ended_sessions)]

    async def add_audit_entry(self, connection: Any, entry: AuditEntry) -> None:
        async def add_audit_entry(work: Transaction) -> None:
            work.write("audit_log", (entry.id,), asdict(entry))

        await connection.carry_out(add_audit_entry)


async def _end(work: Transaction, matches: Callable[[Row], bool], reason: str, now: datetime) -> list[Row]:
    """As an UPDATE does: it waits for whoever has locked a row, and then looks at the row again."""
    ended = []
    for key in sorted((row["id"],) for row in work.rows("sessions") if row["revoked_at"] is None and matches(row)):
        await work.lock("sessions", key)
        row = work.read("sessions", key)
        if row is not None and row["revoked_at"] is None and matches(row):
            work.write("sessions", key, {**row, "revoked_at": now, "revoked_reason": reason, "ended": True})
            ended.append({"id": row["id"]})
    return ended


def _lives(row: Row, user_id: UUID, now: datetime) -> bool:
    return bool(row["user_id"] == user_id and row["revoked_at"] is None and row["expires_at"] > now)


def _account(rows: list[Row]) -> Account | None:
    return cast("Account | None", _made(Account, rows))


def _session(rows: list[Row]) -> SessionRow | None:
    return cast("SessionRow | None", _made(SessionRow, rows))


def _made(class_: Any, rows: list[Row]) -> Any:
    names = {field.name for field in fields(class_)}
    return next((class_(**{name: value for name, value in row.items() if name in names}) for row in rows), None)
