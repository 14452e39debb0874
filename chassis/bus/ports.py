"""The seam between what the bus means and how AMQP carries it.

Above it nothing knows of aio-pika; below it nothing knows of inbox, retry or refusal. The simulation stands on the
same seam.
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
    """One message as the broker handed it over, with what the broker vouches for."""

    queue: str
    body: bytes
    content_type: str | None
    routing_key: str
    user_id: str | None  # validated by the broker; None: the sender did not state it
    reply_to: str | None
    correlation_id: str | None
    redelivered: bool
    headers: Mapping[str, object] = MappingProxyType({})
    exchange: str = ""  # to which it was published


class OutgoingMessage(NamedTuple):
    """One message to be published. The AMQP message id is new for every publish and made below this seam."""

    exchange: str
    routing_key: str
    body: bytes
    type: str
    correlation_id: str
    content_type: str = "application/cloudevents+json"
    reply_to: str | None = None
    expiration_seconds: float | None = None
    persistent: bool = True
    mandatory: bool = True  # no queue takes it: ``Unroutable``
    headers: Mapping[str, str | int] = MappingProxyType({})


class NotPublished(Exception):
    """The broker certainly has not got the message (no connection, refused, or no queue takes it)."""


class Unroutable(NotPublished):
    """No queue is bound for it: the topology is not applied."""


class MessageTooLarge(NotPublished):
    """The broker takes none of that size."""


class QueueFull(NotPublished):
    """A bounded queue rejected it."""


class ConfirmMissing(Exception):
    """The broker may or may not have the message: its confirm did not come in time."""


class Publisher(Protocol):
    async def publish(self, outgoing: OutgoingMessage, *, timeout_seconds: float = 5.0) -> None:
        """Returns once the broker has confirmed. Raises ``NotPublished`` or ``ConfirmMissing``."""

    async def send(self, outgoing: OutgoingMessage) -> None:
        """Fire and forget: no confirm is awaited. Raises ``NotPublished`` if there is no connection."""


class RequestPublisher(Publisher, Protocol):
    async def send_mandatory(self, outgoing: OutgoingMessage) -> "asyncio.Future[None]":
        """As ``send``. What it returns raises ``Unroutable`` if no queue takes the letter, and else does not end.

        Whoever need not know any more cancels it.
        """


class Receipt(Protocol):
    """The broker's hold on one delivery. On a channel that is gone both do nothing: it is handed over again."""

    async def acknowledge(self) -> None: ...
    async def requeue(self) -> None: ...
