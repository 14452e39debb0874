"""The interface between message handling and AMQP.

Code above it does not know aio-pika; code below it does not know inbox, retry or refusal. The simulation implements the
same interface.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
    """One message as the broker delivered it, with the properties that the broker validated."""

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
    """One message to be published. Each publish gets a new AMQP message id, below this interface."""

    exchange: str
    routing_key: str
    body: bytes
    type: str
    correlation_id: str
    content_type: str = "application/cloudevents+json"
    reply_to: str | None = None
    expiration_seconds: float | None = None
    persistent: bool = True
    mandatory: bool = True  # raise ``Unroutable`` if no queue is bound for it
    headers: Mapping[str, str | int] = MappingProxyType({})


class LinkDown(Exception):
    """There is no connection to the broker, or it was lost."""


class NotPublished(Exception):
    """The broker certainly does not have the message (no connection, rejected, or not routable)."""


class Unroutable(NotPublished):
    """No queue is bound for it: the topology is not applied."""


class MessageTooLarge(NotPublished):
    """The message is larger than the broker accepts."""


class QueueFull(NotPublished):
    """A queue at its maximum length rejected it."""


class ConfirmMissing(Exception):
    """The broker may or may not have the message: its confirm did not come in time."""


class NotHandled(Exception):
    """The process stops before the delivery's turn: it is requeued for another process."""


class Publisher(Protocol):
    async def publish(self, outgoing: OutgoingMessage, *, timeout_seconds: float = 5.0) -> None:
        """Returns once the broker has confirmed. Raises ``NotPublished`` or ``ConfirmMissing``."""

    async def send(self, outgoing: OutgoingMessage) -> None:
        """Publish without a confirm. Raises ``NotPublished`` if there is no connection."""


class RequestPublisher(Publisher, Protocol):
    async def send_mandatory(
        self, outgoing: OutgoingMessage, on_returned: Callable[[Unroutable], None]
    ) -> Callable[[], None]:
        """As ``send``. *on_returned* is called if no queue takes the message, until the result is called."""


class Receipt(Protocol):
    """Settles one delivery. If its channel is closed both do nothing: the broker redelivers the message."""

    async def acknowledge(self) -> None: ...
    async def requeue(self) -> None: ...
