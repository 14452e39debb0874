"""Carries out decisions: the one place that publishes, records and counts what each of them means."""

from collections.abc import Callable
from datetime import datetime

from chassis import failpoints
from chassis.bus import headers
from chassis.bus.dead_letters import DeadLetters
from chassis.bus.decisions import (
    PARKING_FULL_RUNG,
    Acknowledge,
    Decision,
    Hold,
    Park,
    Reply,
    Retry,
    Settled,
    parked,
)
from chassis.bus.gate import Gate
from chassis.bus.inbox import Inbox, recorded_outcome
from chassis.bus.parking import ParkingLot
from chassis.bus.ports import OutgoingMessage, Publisher, QueueFull
from chassis.bus.reading import Received
from chassis.bus.replies import send_reply
from chassis.logging import logger
from chassis.metrics import BusMetrics
from contracts.message import Kind
from contracts.outcome import Outcome

_log = logger(__name__)


class Executor:
    def __init__(
        self,
        service: str,
        *,
        inbox: Inbox,
        publisher: Publisher,
        parking_lot: ParkingLot,
        dead_letters: DeadLetters,
        gate: Gate,
        metrics: BusMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._service = service
        self._inbox = inbox
        self._publisher = publisher
        self._parking_lot = parking_lot
        self._dead_letters = dead_letters
        self._gate = gate
        self._metrics = metrics
        self._clock = clock

    async def carry_out(self, received: Received, decision: Decision) -> Settled | None:
        """How the delivery ended: it may be acknowledged. None: handle it again.

        Raises if the broker did not accept a copy.
        """
        if isinstance(decision, Reply):
            await self._reply(received, decision.outcome)
            if failpoints.ARMED:
                await failpoints.reached("after_reply", received.contract.wire_name)
            return decision.settled
        if isinstance(decision, Acknowledge):
            return decision.settled
        if isinstance(decision, Retry):
            await self._retry(received, decision)
            return Settled.RETRIED
        if isinstance(decision, Park):
            return await self._park(received, decision)
        if isinstance(decision, Hold):
            await self._gate.wait()
            return None
        await self._dead_letters.reject(received.delivery, decision.unreadable)
        return Settled.PARKED

    async def _retry(self, received: Received, decision: Retry) -> None:
        delivery = received.delivery
        await self._publisher.publish(
            OutgoingMessage(
                exchange="autograph.retry",
                routing_key=delivery.queue,
                body=delivery.body,
                type=received.contract.wire_name,
                correlation_id=delivery.correlation_id or received.envelope.correlationid,
                reply_to=delivery.reply_to,
                headers={
                    headers.RUNG: decision.rung,
                    headers.ATTEMPT: decision.attempt,
                    headers.ORIGINAL_USER: received.sender,
                    headers.ORIGINAL_ROUTING_KEY: received.routing_key,
                },
            )
        )
        self._metrics.retried(received.contract.action(), decision.rung)

    async def _park(self, received: Received, decision: Park) -> Settled:
        delivery, is_command = received.delivery, received.contract.kind is Kind.COMMAND
        try:
            await self._parking_lot.park(delivery, decision.reason, decision.detail, told=is_command, received=received)
        except QueueFull:  # it returns later: not lost, and it blocks no other
            _log.error("parking_lot_full", failure=decision.reason, queue=delivery.queue)
            await self._retry(received, Retry(PARKING_FULL_RUNG, received.attempt))
            return Settled.RETRIED
        if is_command:
            outcome = parked()
            if not await self._inbox.record(received.envelope, outcome):
                outcome = (await recorded_outcome(self._inbox, received)).outcome
            await self._reply(received, outcome)
        return Settled.PARKED

    async def _reply(self, received: Received, outcome: Outcome) -> None:
        delivery, envelope = received.delivery, received.envelope
        await send_reply(self._publisher, self._service, delivery, envelope, outcome, now=self._clock())
