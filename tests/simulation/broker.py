"""RabbitMQ in memory: exchanges and queues of the real topology, confirms, and what goes wrong with them.

Durable queues keep persistent messages over a restart. What was handed over and not acknowledged when its connection
went comes again, marked as redelivered.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from uuid import UUID

from chassis.bus.headers import RUNG
from chassis.bus.ports import ConfirmMissing, Delivery, NotPublished, OutgoingMessage, Receipt, Unroutable
from chassis.bus.topology import EVENTS, PARKED, RETRY, RUNG_SECONDS, Topology
from contracts.envelope import decode
from tests.simulation.world import Process, World

BACK_SECONDS = (0.05, 1.0)  # until a lost connection is made again
RESTART_SECONDS = (0.5, 5.0)
REORDERED_AT_ONCE = 10

Take = Callable[[Delivery, Receipt], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Message:
    outgoing: OutgoingMessage
    user: str
    routing_key: str
    expires_at: float | None
    redelivered: bool = False


@dataclass(eq=False, slots=True)
class _Consumer:
    process: Process
    queue: str
    prefetch: int
    take: Take
    acknowledges: bool
    is_up: bool = True
    in_flight: dict[int, _Message] = field(default_factory=dict)


class Broker:
    def __init__(self, world: World, topology: Topology) -> None:
        self.world = world
        self.events: list[bytes] = []  # each event as often as it was published
        self.parked: list[_Message] = []
        self.on_ladder = 0
        self.away_until = 0.0
        self._lose_confirms = 0
        self._refuse = 0
        self._double = 0
        self._reorder = 0
        self.connection: Counter[Process | None] = Counter()  # how often each process lost its own
        self._topology = topology
        self._queues: dict[str, list[_Message]] = {name: [] for name in topology.queues}
        self._consumers: list[_Consumer] = []
        self._tags = count(1)

    @property
    def waiting(self) -> int:
        """Messages in a queue, in hand, or on the ladder."""
        ready = sum(map(len, self._queues.values()))
        return ready + sum(len(consumer.in_flight) for consumer in self._consumers) + self.on_ladder

    # What processes do

    def consume(
        self, process: Process, queue: str, take: Take, *, prefetch: int = 16, acknowledges: bool = True
    ) -> None:
        if not process.alive:
            return
        self._queues.setdefault(queue, [])
        self._consumers.append(_Consumer(process, queue, prefetch, take, acknowledges))
        self._offer(queue)

    def taken(self, outgoing: OutgoingMessage, user: str) -> None:
        """Raises ``Unroutable``, ``NotPublished``."""
        if self.is_unavailable:
            raise NotPublished("the broker is unavailable")
        if outgoing.exchange == EVENTS:
            self.events.append(outgoing.body)
        targets = self._targets(outgoing)
        if not targets and outgoing.mandatory:
            raise Unroutable(outgoing.routing_key)
        until = None if outgoing.expiration_seconds is None else self.world.now() + outgoing.expiration_seconds
        message = _Message(outgoing, user, outgoing.routing_key, until)
        if outgoing.exchange == PARKED:
            self.parked.append(message)
            self.world.is_poisoned.discard(message_id(message.outgoing))
            self.world.seen["parked"] += 1
            return
        if outgoing.exchange == RETRY:
            self._climb(message)
            return
        copies = 1
        if self._double:
            self._double -= 1
            copies = 2
        for queue in targets:
            self._queues[queue].extend([message] * copies)
            self._offer(queue)

    @property
    def is_unavailable(self) -> bool:
        return self.world.now() < self.away_until

    # What goes wrong

    def cut(self, process: Process) -> None:
        """Its connections are lost; while it lives it makes them again."""
        self.connection[process] += 1
        for consumer in [found for found in self._consumers if found.process is process]:
            self._drop(consumer)
            if process.alive:
                later = self.world.random.uniform(*BACK_SECONDS)
                asyncio.get_running_loop().call_later(later, self._again, consumer)

    def restart(self) -> None:
        for process in {consumer.process: None for consumer in self._consumers}:
            self.cut(process)
        for queue in self._queues.values():
            queue[:] = [message for message in queue if message.outgoing.persistent]
        self.away_until = self.world.now() + self.world.random.uniform(*RESTART_SECONDS)
        asyncio.get_running_loop().call_at(self.away_until, self._offer_all)

    def lose_a_confirm(self) -> None:
        self._lose_confirms += 1

    def refuse_one(self) -> None:
        self._refuse += 1

    def double_one(self) -> None:
        self._double += 1

    def reorder_some(self) -> None:
        self._reorder += REORDERED_AT_ONCE

    # What the broker does

    def refuses(self) -> bool:
        is_due = self._refuse > 0
        self._refuse -= is_due
        return is_due

    def loses_confirm(self) -> bool:
        is_due = self._lose_confirms > 0
        self._lose_confirms -= is_due
        return is_due

    def _targets(self, outgoing: OutgoingMessage) -> list[str]:
        if outgoing.exchange == "autograph.replies":
            return [outgoing.routing_key] if outgoing.routing_key in self._queues else []
        if outgoing.exchange == PARKED:
            return ["parked"]
        return [
            binding.queue
            for binding in self._topology.bindings
            if binding.exchange == outgoing.exchange
            and (
                binding.rung == outgoing.headers.get(RUNG)
                if outgoing.exchange == RETRY
                else binding.routing_key == outgoing.routing_key
            )
        ]

    def _climb(self, message: _Message) -> None:
        self.on_ladder += 1
        self.world.seen["retried"] += 1

        def back() -> None:
            self.on_ladder -= 1
            queue = message.outgoing.routing_key
            self._queues[queue].append(message)
            self._offer(queue)

        seconds = RUNG_SECONDS[str(message.outgoing.headers[RUNG])]
        asyncio.get_running_loop().call_later(seconds, back)

    def _drop(self, consumer: _Consumer) -> None:
        self._consumers.remove(consumer)
        consumer.is_up = False
        back = [replace(message, redelivered=True) for message in consumer.in_flight.values()]
        consumer.in_flight.clear()
        self._queues[consumer.queue][:0] = back
        self._offer(consumer.queue)

    def _again(self, consumer: _Consumer) -> None:
        if not self.world.over:
            self.consume(
                consumer.process,
                consumer.queue,
                consumer.take,
                prefetch=consumer.prefetch,
                acknowledges=consumer.acknowledges,
            )

    def _offer_all(self) -> None:
        for queue in self._queues:
            self._offer(queue)

    def _offer(self, queue: str) -> None:
        """Hands over what waits to whoever may take more."""
        if self.is_unavailable or self.world.over:
            return
        waiting = self._queues[queue]
        while waiting:
            free = [
                consumer
                for consumer in self._consumers
                if consumer.queue == queue and len(consumer.in_flight) < consumer.prefetch
            ]
            if not free:
                return
            consumer = self.world.random.choice(free)
            place = 0
            if self._reorder and len(waiting) > 1:
                self._reorder -= 1
                place = self.world.random.randrange(len(waiting))
            message = waiting.pop(place)
            if message.expires_at is not None and message.expires_at <= self.world.now():
                continue
            self._hand_over(consumer, message)

    def _hand_over(self, consumer: _Consumer, message: _Message) -> None:
        receipt = _Receipt(self, consumer, next(self._tags))
        if consumer.acknowledges:
            consumer.in_flight[receipt.tag] = message
        outgoing = message.outgoing
        delivery = Delivery(
            queue=consumer.queue,
            body=outgoing.body,
            content_type=outgoing.content_type,
            routing_key=message.routing_key,
            user_id=message.user,
            reply_to=outgoing.reply_to,
            correlation_id=outgoing.correlation_id,
            redelivered=message.redelivered,
            headers=outgoing.headers,
            exchange=""
            if outgoing.exchange == RETRY
            else outgoing.exchange,  # a rung's dead letters go to the default one
        )

        async def bring() -> None:
            await self.world.way(f"delivery from {consumer.queue}")
            if consumer.is_up:
                self.world.seen["redelivered"] += message.redelivered
                await consumer.take(delivery, receipt)

        self.world.start(consumer.process, bring(), f"delivery from {consumer.queue}")

    def settled(self, consumer: _Consumer, tag: int, *, requeue: bool) -> None:
        message = consumer.in_flight.pop(tag, None)
        if message is not None and requeue:
            self._queues[consumer.queue].insert(0, replace(message, redelivered=True))
        self._offer(consumer.queue)


def message_id(outgoing: OutgoingMessage) -> UUID:
    envelope, _ = decode(outgoing.body)
    return envelope.id


@dataclass(frozen=True, slots=True)
class _Receipt:
    broker: Broker
    consumer: _Consumer
    tag: int

    async def acknowledge(self) -> None:
        await self._tell(requeue=False)

    async def requeue(self) -> None:
        await self._tell(requeue=True)

    async def _tell(self, *, requeue: bool) -> None:
        await self.broker.world.way("acknowledgement")
        if self.consumer.is_up:
            self.broker.settled(self.consumer, self.tag, requeue=requeue)


@dataclass(frozen=True, slots=True)
class BrokerPublisher:
    """``ports.Publisher`` of one process."""

    broker: Broker
    user: str

    async def publish(self, outgoing: OutgoingMessage, *, timeout_seconds: float = 5.0) -> None:
        broker = self.broker
        process = broker.world.process()
        connection = broker.connection[process]
        if broker.is_unavailable:
            raise NotPublished("the broker is unavailable")
        try:
            async with asyncio.timeout(timeout_seconds):
                await broker.world.way(f"publish {outgoing.type} to {outgoing.exchange}")
                if broker.refuses() or broker.connection[process] != connection:
                    raise ConfirmMissing("cut before it got there")
                broker.taken(outgoing, self.user)
                if broker.loses_confirm():
                    raise ConfirmMissing("the confirm is lost")
                await broker.world.way("confirm")
                if broker.connection[process] != connection:
                    raise ConfirmMissing("cut before the confirm")
        except TimeoutError:
            raise ConfirmMissing("no confirm in time") from None

    async def send(self, outgoing: OutgoingMessage) -> None:
        await self.broker.world.way(f"send {outgoing.type} to {outgoing.exchange}")
        if not self.broker.refuses():
            self.broker.taken(outgoing, self.user)
