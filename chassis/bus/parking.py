"""Publishes a copy to the parking lot, with its origin and the reason in headers."""

from collections.abc import Callable
from datetime import datetime

from chassis.bus import headers
from chassis.bus.ports import Delivery, OutgoingMessage, Publisher
from chassis.bus.reading import Received, origin
from chassis.metrics import BusMetrics

POISON = "poison"
MAX_DETAIL_CHARACTERS = 500


class ParkingLot:
    def __init__(
        self, service: str, *, publisher: Publisher, metrics: BusMetrics, clock: Callable[[], datetime]
    ) -> None:
        self._service = service
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock

    async def park(
        self, delivery: Delivery, reason: str, detail: str, *, told: bool, received: Received | None = None
    ) -> None:
        """Raises ``QueueFull`` while the lot is full. *told*: the caller is told that it failed.

        Unreadable messages of producers have a lot of their own, which drops its oldest: no producer can fill the lot
        of messages that were accepted.
        """
        sender, routing_key = origin(delivery, self._service)
        kept: dict[str, str | int] = {
            headers.PARKED_REASON: reason,
            headers.PARKED_DETAIL: detail[:MAX_DETAIL_CHARACTERS],
            headers.PARKED_FROM: delivery.queue,
            headers.PARKED_AT: self._clock().isoformat(),
            headers.ORIGINAL_USER: received.sender if received else sender,
            headers.ORIGINAL_ROUTING_KEY: received.routing_key if received else routing_key,
            headers.ATTEMPT: received.attempt if received else 1,
            headers.FAILURE_NOTIFIED: int(told),
        }
        action = received.contract.action() if received else "unreadable"
        is_producers = received is None and reason != POISON and delivery.queue.endswith(".producers")
        await self._publisher.publish(
            OutgoingMessage(
                exchange="autograph.refused" if is_producers else "autograph.parked",
                routing_key=f"{self._service}.{action}",
                body=delivery.body,
                type=received.contract.wire_name if received else "",
                correlation_id=delivery.correlation_id or "",
                content_type=delivery.content_type or "application/octet-stream",
                headers=kept,
            )
        )
        self._metrics.parked(action, reason)
