"""Handles one delivery: read it, run its handler, decide, and carry the decision out. Knows no AMQP.

``deliver`` returns when the delivery may be acknowledged. It raises only if the broker did not accept a copy (retry,
parking), and then the delivery must go back to its queue.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from chassis import tracing
from chassis.bus.dead_letters import DeadLetters
from chassis.bus.decisions import (
    Duplicate,
    Expired,
    Failed,
    Refused,
    Result,
    Settled,
    Succeeded,
    decide,
    is_worthless_late,
)
from chassis.bus.executor import Executor
from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.inbox import Inbox, recorded_outcome
from chassis.bus.parking import ParkingLot
from chassis.bus.ports import Delivery, Publisher
from chassis.bus.reading import NOBODY, Received, Unreadable, read
from chassis.byte_budget import ByteBudget
from chassis.failures import Failure, error_location, failure_after_loss
from chassis.logging import bind, logger
from chassis.metrics import BusMetrics
from chassis.parser_thread import run_in_parser_thread
from chassis.unit_of_work import AlreadyHandled
from contracts.envelope import Envelope
from contracts.message import Event, Kind, Message, Request
from contracts.outcome import Outcome
from contracts.refusal import Refusal
from contracts.scanning import SMALL_BYTES

ToolsT = TypeVar("ToolsT")

# Between the asker's machine and ours. In the queue the broker counts a request's time, on its own clock alone.
CLOCK_SKEW = timedelta(seconds=10)

# In flight at once. A canvas of 10 MB takes a second of a core here and another, with 300 MB, in PostgreSQL.
LARGE_MESSAGES_BYTES = 16 * 1024 * 1024

_log = logger(__name__)


class Handling(Generic[ToolsT]):
    def __init__(
        self,
        *,
        service: str,
        handlers: Handlers[ToolsT],
        tools: ToolsT,
        inbox: Inbox,
        publisher: Publisher,
        gate: Gate,
        metrics: BusMetrics,
        classify: Callable[[BaseException], Failure],
        unseal: Callable[[Message, Envelope], Awaitable[Message]],
        clock: Callable[[], datetime],
        delegates: Mapping[str, Iterable[str]] = NOBODY,
    ) -> None:
        """*unseal* raises ``Unreadable``. *delegates*: as for ``read``."""
        self.gate = gate
        self._service = service
        self._handlers = handlers.by_wire_name
        self._tools = tools
        self._inbox = inbox
        self._metrics = metrics
        self._classify = classify
        self._unseal = unseal
        self._clock = clock
        self._delegates = delegates
        self._budget = ByteBudget(LARGE_MESSAGES_BYTES)
        parking_lot = ParkingLot(service, publisher=publisher, metrics=metrics, clock=clock)
        self._dead_letters = DeadLetters(
            service, self._handlers, parking_lot=parking_lot, inbox=inbox, publisher=publisher, gate=gate,
            metrics=metrics, classify=classify, clock=clock, delegates=delegates,
        )  # fmt: skip
        self._executor = Executor(
            service, inbox=inbox, publisher=publisher, parking_lot=parking_lot, dead_letters=self._dead_letters,
            gate=gate, metrics=metrics, clock=clock,
        )  # fmt: skip

    async def deliver(self, delivery: Delivery) -> None:
        if len(delivery.body) <= SMALL_BYTES:
            await self._deliver(delivery)
            return
        async with self._budget.holding(len(delivery.body)):
            await self._deliver(delivery)

    async def give_up(self, delivery: Delivery) -> None:
        """Park what has killed or blocked its worker twice."""
        await self._dead_letters.give_up(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            if len(delivery.body) <= SMALL_BYTES:
                received = read(delivery, self._service, self._handlers, self._delegates)
            else:  # in a thread, so that others are served between
                received = await run_in_parser_thread(read, delivery, self._service, self._handlers, self._delegates)
        except Unreadable as unreadable:
            await self._dead_letters.reject(delivery, unreadable)
            return
        if not tracing.ON:
            await self._measured(received)
            return
        name = received.contract.wire_name
        with tracing.consumer_span(name, delivery.queue, received.envelope.traceparent) as span:
            within = received.envelope.model_copy(update={"traceparent": span.traceparent})
            settled = await self._measured(received._replace(envelope=within))
            span.ended(
                f"process {name}",
                error=settled in _WENT_WRONG,
                messaging__message__id=str(within.id),
                autograph__outcome=settled.value,
                autograph__attempt=received.attempt,
                autograph__correlation_id=within.correlationid,
            )

    async def _measured(self, received: Received) -> Settled:
        name = received.contract.action()
        with (
            bind(correlation_id=received.envelope.correlationid, **_log_fields(received)),
            self._metrics.delivery(name),
        ):
            self._metrics.waited(name, (self._clock() - received.envelope.time).total_seconds())
            settled = await self._settle(received)
            self._metrics.settled(name, settled)
            level = logging.DEBUG if settled is Settled.DONE and received.contract.kind is Kind.QUERY else logging.INFO
            if logging.root.isEnabledFor(level):
                _log.log(level, "message_settled", outcome=settled.value, attempt=received.attempt)
            return settled

    async def _settle(self, received: Received) -> Settled:
        kind, losses = received.contract.kind, 0
        while True:
            if is_worthless_late(kind) and received.envelope.expired(self._clock() - CLOCK_SKEW):
                result: Result = Expired()
            else:
                try:
                    result = await self._handle(received)
                except Unreadable as unreadable:
                    result = unreadable
                except Exception as error:  # noqa: BLE001 - every failure has a next step, decided by its kind
                    failure = self._classify(error)
                    if failure is Failure.LOST:
                        losses += 1
                        failure = failure_after_loss(losses)
                    result = self._record_failure(failure, error)
            settled = await self._executor.carry_out(received, decide(kind, received.attempt, result))
            if settled is not None:
                return settled

    async def _handle(self, received: Received) -> Result:
        """Run the handler. Its failures, and the database's, pass."""
        contract, envelope = received.contract, received.envelope
        try:
            message = await self._unseal(received.message, envelope)
            with self._metrics.handler_seconds(contract.action()).time():
                reply = await received.handler(message, envelope, self._tools)
        except AlreadyHandled:
            if issubclass(contract, Event):
                return Duplicate(Outcome.succeeded(None))
            return await recorded_outcome(self._inbox, received)
        except Refusal as refusal:
            return await self._refused(received, refusal)
        if issubclass(contract, Request) and not isinstance(reply, contract.reply_type() or type(None)):
            raise TypeError(f"{contract.wire_name} was answered with {type(reply).__name__}")
        return Succeeded(Outcome.succeeded(reply))

    async def _refused(self, received: Received, refusal: Refusal) -> Result:
        kind, outcome = received.contract.kind, Outcome.refused(refusal)
        if kind is Kind.EVENT:
            _log_failure(Failure.BUG, refusal)
            return Refused(outcome, error_location(refusal))
        _log.info("message_refused", actor=received.envelope.actor.key, code=refusal.code)
        if issubclass(received.contract, Request) and not received.contract.declares(refusal):
            # A bug, of which the caller still hears as of any refusal: its contract and the API's description lack it.
            _log.error("undeclared_refusal", code=refusal.code, error=error_location(refusal))
        # Whoever was first wins: this may be a repeat of what succeeded, refused since it has.
        if kind is Kind.COMMAND and not await self._inbox.record(received.envelope, outcome):
            return await recorded_outcome(self._inbox, received)
        return Refused(outcome, error_location(refusal))

    def _record_failure(self, failure: Failure, error: Exception) -> Failed:
        _log_failure(failure, error)
        if failure is Failure.DEPENDENCY:
            self.gate.close()
        return Failed(failure, error_location(error))


def _log_failure(failure: Failure, error: Exception) -> None:
    _log.log(
        logging.ERROR if failure is Failure.BUG else logging.WARNING,
        "handler_failed",
        failure=failure.value,
        error=error_location(error),
        exc_info=error if failure is Failure.BUG else None,
    )


def _log_fields(received: Received) -> dict[str, str]:
    """Who acts, and on what, for every line that is logged meanwhile; ids only."""
    facts = {"message": received.contract.wire_name, "actor": received.envelope.actor.key}
    subject = received.envelope.subject
    if subject is None:
        for name, value in received.message.__dict__.items():
            if type(value) is UUID:
                subject = f"{received.contract.worker() if name == 'id' else name.removesuffix('_id')}/{value}"
                break
    if subject is not None:
        facts["subject"] = subject
    return facts


_WENT_WRONG = frozenset({Settled.RETRIED, Settled.PARKED, Settled.EXPIRED, Settled.FAILED})
