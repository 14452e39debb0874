"""Parks messages that are not handled: unreadable ones, and those that killed their worker twice."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from chassis.bus.decisions import Settled, internal_error, parked
from chassis.bus.gate import Gate
from chassis.bus.handlers import Handler
from chassis.bus.inbox import Inbox
from chassis.bus.parking import POISON, ParkingLot
from chassis.bus.ports import Delivery, Publisher
from chassis.bus.reading import NOBODY, Received, Unreadable, check_ingress, read
from chassis.bus.replies import send_reply
from chassis.failures import Failure
from chassis.logging import logger
from chassis.metrics import BusMetrics
from contracts.envelope import Envelope
from contracts.message import Kind, Message
from contracts.outcome import Outcome
from contracts.refusal import FieldError, Invalid

POISON_DETAIL = "its worker died or was blocked three times, the last two with nothing else in hand"
SAFE_TO_READ_BYTES = 64 * 1024  # too small to have killed by being read

_log = logger(__name__)


class DeadLetters:
    """Its methods raise if the broker did not accept the copy."""

    def __init__(
        self,
        service: str,
        handlers: Mapping[str, tuple[type[Message], Handler[Any]]],
        *,
        parking_lot: ParkingLot,
        inbox: Inbox,
        publisher: Publisher,
        gate: Gate,
        metrics: BusMetrics,
        classify: Callable[[BaseException], Failure],
        clock: Callable[[], datetime],
        delegates: Mapping[str, Iterable[str]] = NOBODY,
    ) -> None:
        self._service = service
        self._handlers = handlers
        self._delegates = delegates
        self._parking_lot = parking_lot
        self._inbox = inbox
        self._publisher = publisher
        self._gate = gate
        self._metrics = metrics
        self._classify = classify
        self._clock = clock

    async def reject(self, delivery: Delivery, unreadable: Unreadable) -> None:
        """Park it. If the sender is known it gets a reply that says what is invalid."""
        _log.error("message_parked", reason=unreadable.reason, detail=unreadable.detail, queue=delivery.queue)
        envelope = unreadable.envelope
        if envelope is None:
            await self._parking_lot.park(delivery, unreadable.reason, unreadable.detail, told=False)
            self._metrics.settled("unreadable", Settled.PARKED)
            return
        outcome = Outcome.refused(Invalid(errors=tuple(_field_errors(unreadable.detail))))
        contract, _ = self._handlers[envelope.type]
        is_command = contract.kind is Kind.COMMAND
        if is_command and (before := await self._record_failure(envelope)) is not None:
            outcome = before  # a newer release has handled it
        await self._parking_lot.park(delivery, unreadable.reason, unreadable.detail, told=is_command)
        self._metrics.settled("unreadable", Settled.PARKED)
        await self._reply(delivery, envelope, outcome)

    async def give_up(self, delivery: Delivery) -> None:
        """Park a message that killed or blocked its worker twice, without handling it again.

        If it is small enough to be read, its sender gets a reply, and the inbox its outcome.
        """
        try:
            if len(delivery.body) <= SAFE_TO_READ_BYTES:
                received = read(delivery, self._service, self._handlers, self._delegates)
            else:
                received = None
                check_ingress(delivery)
        except Unreadable as unreadable:
            await self.reject(delivery, unreadable)
            return
        if received is not None:
            await self._give_up_readable(received)
            return
        await self._parking_lot.park(delivery, POISON, "not read again: its size may be the reason", told=False)
        self._metrics.settled("unreadable", Settled.PARKED)

    async def _give_up_readable(self, received: Received) -> None:
        name, delivery, envelope = received.contract.action(), received.delivery, received.envelope
        is_command = received.contract.kind is Kind.COMMAND
        if is_command and (before := await self._record_failure(envelope)) is not None:
            self._metrics.settled(name, Settled.DUPLICATE)  # it was handled before it killed
            await self._reply(delivery, envelope, before)
            return
        await self._parking_lot.park(delivery, POISON, POISON_DETAIL, told=is_command, received=received)
        self._metrics.settled(name, Settled.PARKED)
        await self._reply(delivery, envelope, parked() if is_command else internal_error())

    async def _record_failure(self, envelope: Envelope) -> Outcome | None:
        """The outcome that the inbox has already, if any. Waits while the database is down."""
        while True:
            try:
                if await self._inbox.record(envelope, parked()):
                    return None
                row = await self._inbox.find(envelope.actor.key, envelope.id)
            except Exception as error:
                if self._classify(error) not in (Failure.DEPENDENCY, Failure.LOST):
                    raise
                self._gate.close()
                await self._gate.wait()
            else:
                return None if row is None else row.outcome_for(envelope.fingerprint)

    async def _reply(self, delivery: Delivery, envelope: Envelope, outcome: Outcome) -> None:
        await send_reply(self._publisher, self._service, delivery, envelope, outcome, now=self._clock())


def _field_errors(detail: str) -> list[FieldError]:
    found = (place.partition(": ") for place in detail.split("; "))
    return [FieldError(pointer=f"/{path}", code=code, detail=code.replace("_", " ")) for path, _, code in found]
