"""SQL on the audit log."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from chassis.database import Connection
from workers.auth.statements import TimedStatements


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


class AuditStorage(TimedStatements):
    async def add_audit_entry(self, connection: Connection, entry: AuditEntry) -> None:
        """A trigger chains it to the previous entry under a lock that is held until commit: call this last."""
        with self.timed("add_audit_entry"):
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
