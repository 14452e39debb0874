"""All messages there are, and which worker hears which events: the topology and the documents follow from these."""

from contracts import auth, diagram
from contracts.message import MAX_ENVELOPE_BYTES, Event, Message, Request
from contracts.scanning import MAX_ZEROS

MESSAGES: tuple[type[Message], ...] = (*auth.MESSAGES, *diagram.MESSAGES)

# The auth service keeps the audit log, also of what happens to diagrams.
SUBSCRIPTIONS: dict[str, tuple[type[Event], ...]] = {
    "auth": (
        auth.accounts.UserRegistered,
        auth.sessions.SessionStarted,
        auth.sessions.SessionEnded,
        diagram.diagrams.DiagramTrashed,
        diagram.diagrams.DiagramRestored,
        diagram.diagrams.DiagramDeleted,
    ),
}

WORKERS: tuple[str, ...] = tuple(sorted({message.worker() for message in MESSAGES}))

REQUESTS: tuple[type[Request], ...] = tuple(m for m in MESSAGES if issubclass(m, Request))  # type: ignore[type-arg]  # any reply
EVENTS: tuple[type[Event], ...] = tuple(m for m in MESSAGES if issubclass(m, Event))

BY_WIRE_NAME: dict[str, type[Message]] = {message.wire_name: message for message in MESSAGES}

# What the broker must take. A reply has the content that a request brought, whose numbers PostgreSQL has written out.
LARGEST_REQUEST_BYTES: int = max(message.max_message_bytes() for message in MESSAGES)
LARGEST_MESSAGE_BYTES: int = max(message.max_bytes for message in MESSAGES) + MAX_ZEROS + MAX_ENVELOPE_BYTES
