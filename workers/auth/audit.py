"""Audit log entries for events, operator commands and failed sign-ins."""

from datetime import datetime
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from contracts.auth.accounts import UserRegistered
from contracts.auth.sessions import SessionEnded, SessionStarted, SignIn
from contracts.envelope import ActorKind, Envelope
from contracts.message import Event
from workers.auth.storage import AuditEntry, SessionRow

# Without addresses, names and titles: nothing can be deleted from the log.
AUDITED_FIELDS: Final = ("user_id", "session_id", "owner_id", "reason")


def session_of(event: Event) -> UUID | None:
    return event.session_id if isinstance(event, SessionStarted | SessionEnded) else None


def of_event(event: Event, envelope: Envelope, session: SessionRow | None) -> AuditEntry:
    kind, actor_id = envelope.actor.kind, envelope.actor.id
    if kind is ActorKind.ANONYMOUS and isinstance(event, UserRegistered | SessionStarted):
        kind, actor_id = ActorKind.USER, event.user_id  # the event says who the anonymous caller turned out to be
    return AuditEntry(
        id=envelope.id,
        occurred_at=envelope.time,
        actor_kind=kind.value,
        actor_id=actor_id,
        action=event.routing_key(),
        subject=envelope.subject,
        outcome="succeeded",
        correlation_id=envelope.correlationid,
        address=session.address if session else None,
        device=session.device if session else None,
        detail=event.model_dump(mode="json", include=set(AUDITED_FIELDS)),
    )


def of_operator(action: str, envelope: Envelope, subject: str, now: datetime, detail: dict[str, int]) -> AuditEntry:
    """Written in the command's own transaction: it is logged if and only if it was carried out."""
    return AuditEntry(
        id=uuid7(),
        occurred_at=now,
        actor_kind=envelope.actor.kind.value,
        actor_id=envelope.actor.id,
        action=action,
        subject=subject,
        outcome="succeeded",
        correlation_id=envelope.correlationid,
        detail={"by": "operator", **detail},
    )


def of_failed_sign_in(
    command: SignIn, envelope: Envelope, user_id: UUID | None, reason: str, now: datetime
) -> AuditEntry:
    """Does not contain the email address that was entered: people sometimes enter their password there."""
    return AuditEntry(
        id=uuid7(),
        occurred_at=now,
        actor_kind=envelope.actor.kind.value,
        actor_id=envelope.actor.id,
        action=command.routing_key(),
        subject=None if user_id is None else f"user/{user_id}",
        outcome="refused",
        correlation_id=envelope.correlationid,
        address=command.address,
        device=command.device,
        detail={"reason": reason},
    )
