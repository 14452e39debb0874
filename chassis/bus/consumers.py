"""Consumes queues: each delivery becomes a task of ours, and is acknowledged when the task ends."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import aiormq
from aiormq import spec
from aiormq.abc import DeliveredMessage

from chassis.bus.channels import ConsumingChannel
from chassis.bus.link import Link, is_cancelled, text
from chassis.bus.ports import Delivery
from chassis.bus.settling import Deliver, settle
from chassis.logging import logger
from chassis.metrics import BusMetrics

WATCH_SECONDS = 2.0

_log = logger(__name__)


@dataclass(slots=True)
class _Consumer:
    channel: ConsumingChannel
    tag: str


class Consumers:
    """One channel and one consumer for each queue, on a connection of their own.

    *prefetch*: queue → how many of its deliveries are in flight at once. A delivery's task is ours and not the
    channel's: aiormq cancels a channel's tasks when it closes, in the middle of a transaction.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        prefetch: Mapping[str, int],
        deliver: Deliver,
        metrics: BusMetrics,
        stop_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        """*stop_waiting*: called when no more is consumed, so that deliveries that only wait are requeued."""
        self.link = Link(url, f"{name} consuming", self._set_up)
        self._prefetch = dict(prefetch)
        self._deliver = deliver
        self._metrics = metrics
        self._stop_waiting = stop_waiting
        self._consumers: dict[str, _Consumer] = {}
        self._missing: set[str] = set()  # queues that do not exist: the others are consumed nevertheless
        self._in_flight: set[asyncio.Task[None]] = set()
        self._taking = True

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    async def _set_up(self, link: Link) -> None:
        self._consumers, missed_before, self._missing = {}, self._missing, set()
        if not self._taking:
            return
        for queue in self._prefetch:
            if await link.has_queue(queue):
                await self._consume(link, queue)
            else:
                self._missing.add(queue)
                self._metrics.consumers.labels(queue).set(0)
        if self._missing - missed_before:
            _log.error("queues_missing", queues=sorted(self._missing), do="autograph migrate")

    async def _consume(self, link: Link, queue: str) -> None:
        channel = await link.consuming_channel(prefetch=self._prefetch[queue])
        consuming = await channel.channel.basic_consume(queue, self._taker(queue, channel))
        self._consumers[queue] = _Consumer(channel, str(consuming.consumer_tag))
        self._metrics.consumers.labels(queue).set(1)

    def _taker(self, queue: str, channel: ConsumingChannel) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
        async def take(message: DeliveredMessage) -> None:
            task = asyncio.create_task(self._handle(queue, channel, message), name=f"delivery from {queue}")
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

        return take

    async def _handle(self, queue: str, channel: ConsumingChannel, message: DeliveredMessage) -> None:
        assert isinstance(message.delivery, spec.Basic.Deliver)
        tag = message.delivery.delivery_tag
        assert tag is not None
        await settle(_delivery(queue, message), self._deliver, _Receipt(channel, tag, queue))

    async def check(self) -> None:
        """For health: raises ``RuntimeError`` unless every queue has its consumer."""
        if self.link.is_up and self._missing:
            raise RuntimeError(f"there is no queue {', '.join(sorted(self._missing))}: autograph migrate makes it")
        missing = [queue for queue in self._prefetch if not self._is_registered(queue)]
        if missing:
            raise RuntimeError(f"no consumer on {', '.join(missing)}")

    def _is_registered(self, queue: str) -> bool:
        consumer = self._consumers.get(queue)
        return (
            self.link.is_up
            and consumer is not None
            and consumer.channel.is_open
            and consumer.tag in consumer.channel.channel.consumers
        )

    async def watch(self) -> None:
        """A consumer that the broker cancelled, or that is gone, is made again; called every ``WATCH_SECONDS``."""
        registered = {queue: self._is_registered(queue) for queue in self._prefetch}
        for queue, there in registered.items():
            self._metrics.consumers.labels(queue).set(int(there))
        if not self._taking or not self.link.is_up:
            return
        lost = [queue for queue, there in registered.items() if not there and queue not in self._missing]
        if lost:
            _log.warning("consumers_lost", queues=lost)
            self.link.drop()
        elif self._missing:
            await self._find_missing()

    async def _find_missing(self) -> None:
        try:
            for queue in sorted(self._missing):
                if await self.link.has_queue(queue):
                    await self._consume(self.link, queue)
                    self._missing.discard(queue)
                    _log.info("queue_found", queue=queue)
        except (OSError, aiormq.AMQPError, RuntimeError, TimeoutError) as error:
            _log.warning("missing_queues_check_failed", error=type(error).__qualname__)
            self.link.drop()
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            self.link.drop()

    async def stop_taking(self) -> None:
        """Consume no more; what was delivered is still handled."""
        if not self._taking:
            return
        self._taking = False
        for consumer in self._consumers.values():
            await _cancel(consumer)
        self._stop_waiting()

    async def drain(self) -> None:
        """Consume no more, and return once all deliveries in flight are settled."""
        await self.stop_taking()
        while self._in_flight:
            await asyncio.wait(self._in_flight)


@dataclass(frozen=True, slots=True)
class _Receipt:
    """Settles nothing on a closed channel: the broker redelivers the message."""

    channel: ConsumingChannel
    tag: int
    queue: str

    async def acknowledge(self) -> None:
        if self._is_settleable():
            self.channel.acknowledge(self.tag)

    async def requeue(self) -> None:
        if self._is_settleable():
            self.channel.requeue(self.tag)

    def _is_settleable(self) -> bool:
        is_open = self.channel.is_open
        if not is_open:
            _log.info("delivery_channel_closed", queue=self.queue)
        return is_open


async def _cancel(consumer: _Consumer) -> None:
    try:
        await consumer.channel.channel.basic_cancel(consumer.tag)
    except (OSError, aiormq.AMQPError, RuntimeError) as error:
        _log.info("consumer_cancel_failed", error=type(error).__qualname__)
    except asyncio.CancelledError:
        if is_cancelled():
            raise


def _delivery(queue: str, message: DeliveredMessage) -> Delivery:
    properties = message.header.properties
    assert isinstance(message.delivery, spec.Basic.Deliver)
    return Delivery(
        queue=queue,
        body=bytes(message.body),
        content_type=text(properties.content_type),
        routing_key=text(message.delivery.routing_key) or "",
        user_id=text(properties.user_id),
        reply_to=text(properties.reply_to),
        correlation_id=text(properties.correlation_id),
        redelivered=bool(message.delivery.redelivered),
        headers={
            str(name): text(value) if isinstance(value, bytes | bytearray) else value
            for name, value in (properties.headers or {}).items()
        },
        exchange=text(message.delivery.exchange) or "",
    )
