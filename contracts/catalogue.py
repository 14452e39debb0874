"""All messages there are, and which worker hears which events: the topology and the documents follow from these."""

from contracts import auth, auth_operator, diagram
from contracts.message import Event, Message, Request

MESSAGES: tuple[type[Message], ...] = (*auth.MESSAGES, *auth_operator.MESSAGES, *diagram.MESSAGES)

# The auth service keeps the audit log, also of what happens to diagrams.
SUBSCRIPTIONS: dict[str, tuple[type[Event], ...]] = {
    "auth": (
        auth.UserRegistered,
        auth.SessionStarted,
        auth.SessionEnded,
        diagram.DiagramTrashed,
        diagram.DiagramRestored,
        diagram.DiagramDeleted,
    ),
}

WORKERS: tuple[str, ...] = tuple(sorted({message.worker() for message in MESSAGES}))

REQUESTS: tuple[type[Request], ...] = tuple(m for m in MESSAGES if issubclass(m, Request))  # type: ignore[type-arg]  # any reply
EVENTS: tuple[type[Event], ...] = tuple(m for m in MESSAGES if issubclass(m, Event))

BY_WIRE_NAME: dict[str, type[Message]] = {message.wire_name: message for message in MESSAGES}
