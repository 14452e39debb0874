"""All messages, and which worker hears and asks which: derived from the services' entries."""

from typing import Any

from contracts.message import MAX_ENVELOPE_BYTES, Event, Message, Request
from contracts.scanning import MAX_ZEROS
from contracts.services import SERVICES

MESSAGES: tuple[type[Message], ...] = tuple(message for service in SERVICES for message in service.messages)

SUBSCRIPTIONS: dict[str, tuple[type[Event], ...]] = {
    service.name: service.hears for service in SERVICES if service.hears
}

# Worker → event → bulkhead: a queue and consumers of its own, so that a slow event delays no others.
EVENT_BULKHEADS: dict[str, dict[type[Event], str]] = {
    service.name: dict(service.event_bulkheads) for service in SERVICES if service.event_bulkheads
}
# The requests that a worker may send on behalf of the user whose message it handles.
DELEGATIONS: dict[str, tuple[type[Request[Any]], ...]] = {
    service.name: service.asks for service in SERVICES if service.asks
}

WORKERS: tuple[str, ...] = tuple(sorted(service.name for service in SERVICES if service.is_worker))

REQUESTS: tuple[type[Request], ...] = tuple(m for m in MESSAGES if issubclass(m, Request))  # type: ignore[type-arg]  # any reply
EVENTS: tuple[type[Event], ...] = tuple(m for m in MESSAGES if issubclass(m, Event))

BY_WIRE_NAME: dict[str, type[Message]] = {message.wire_name: message for message in MESSAGES}

# What the broker must take. A reply has the content that a request brought, whose numbers PostgreSQL has written out.
LARGEST_REQUEST_BYTES: int = max(message.max_message_bytes() for message in MESSAGES)
LARGEST_MESSAGE_BYTES: int = max(message.max_bytes for message in MESSAGES) + MAX_ZEROS + MAX_ENVELOPE_BYTES
