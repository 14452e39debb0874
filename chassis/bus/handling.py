"""What a delivery means: carried out once, answered, tried again, or parked. Knows no AMQP.

``deliver`` returns when the delivery may be acknowledged. It raises only if the broker did not take a copy (retry,
parking), and then the delivery must go back to its queue.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from chassis import failpoints, tracing
from chassis.bus import headers
from chassis.bus.gate import Gate
from chassis.bus.handlers import Handlers
from chassis.bus.ports import Delivery, NotPublished, OutgoingMessage, Publisher, QueueFull
from chassis.bus.reading import Received, Unreadable, check_ingress, origin, read
from chassis.bus.replies import reply_message
from chassis.byte_budget import ByteBudget
from chassis.failures import Failure, error_location, failure_after_loss, next_rung
from chassis.logging import bind, logger
from chassis.metrics import BusMetrics
from chassis.parser_thread import run_in_parser_thread
from chassis.unit_of_work import AlreadyHandled, InboxRow
from contracts.envelope import Envelope
from contracts.message import Event, Kind, Message, Request
from contracts.outcome import Outcome
from contracts.refusal import FieldError, Invalid, Refusal
from contracts.scanning import SMALL_BYTES

ToolsT = TypeVar("ToolsT")

# Between the asker's machine and ours. In the queue the broker counts a request's time, on its own clock alone.
CLOCK_SKEW = timedelta(seconds=10)
# After which what should be parked comes again, while its parking lot is full.
PARKING_FULL_RUNG = "1m"
POISON = "poison"
POISON_DETAIL = "its worker died or was blocked three times, the last two with nothing else in hand"
SAFE_TO_READ_BYTES = 64 * 1024

# In flight at once. A canvas of 10 MB takes a second of a core here and another, with 300 MB, in PostgreSQL.
LARGE_MESSAGES_BYTES = 16 * 1024 * 1024

_log = logger(__name__)


class Settled(StrEnum):
    """How a delivery ended, as the metrics count it."""

    DONE = "done"
    REFUSED = "refused"
    RETRIED = "retried"
    PARKED = "parked"
    EXPIRED = "expired"
    DUPLICATE = "duplicate"
    FAILED = "failed"  # of queries and transient commands, which are never tried again


class Inbox(Protocol):
    async def find(self, actor: str, message_id: UUID) -> InboxRow | None: ...
    async def record(self, envelope: Envelope, outcome: Outcome) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling(Generic[ToolsT]):
    service: str
    handlers: Handlers[ToolsT]
    tools: ToolsT
    inbox: Inbox
    publisher: Publisher
    gate: Gate
    metrics: BusMetrics
    classify: Callable[[BaseException], Failure]
    unseal: Callable[[Message, Envelope], Awaitable[Message]]  # raises Unreadable
    clock: Callable[[], datetime]
    budget: ByteBudget = field(default_factory=lambda: ByteBudget(LARGE_MESSAGES_BYTES))

    async def deliver(self, delivery: Delivery) -> None:
        if len(delivery.body) <= SMALL_BYTES:
            await self._deliver(delivery)
            return
        async with self.budget.holding(len(delivery.body)):
            await self._deliver(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            if len(delivery.body) <= SMALL_BYTES:
                received = read(delivery, self.service, self.handlers.by_wire_name)
            else:  # in a thread, so that others are served between
                received = await run_in_parser_thread(read, delivery, self.service, self.handlers.by_wire_name)
        except Unreadable as unreadable:
            await self._refuse_unreadable(delivery, unreadable)
            return
        if not tracing.ON:
            await self._counted(received)
            return
        name = received.contract.wire_name
        with tracing.consumer_span(name, delivery.queue, received.envelope.traceparent) as span:
            within = received.envelope.model_copy(update={"traceparent": span.traceparent})
            settled = await self._counted(received._replace(envelope=within))
            span.ended(
                f"process {name}",
                error=settled in _WENT_WRONG,
                messaging__message__id=str(within.id),
                autograph__outcome=settled.value,
                autograph__attempt=received.attempt,
                autograph__correlation_id=within.correlationid,
            )

    async def _counted(self, received: Received) -> Settled:
        name = received.contract.action()
        with (
            bind(correlation_id=received.envelope.correlationid, **_log_fields(received)),
            self.metrics.delivery(name),
        ):
            self.metrics.waited(name, (self.clock() - received.envelope.time).total_seconds())
            settled = await self._settle(received)
            self.metrics.settled(name, settled)
            level = logging.DEBUG if settled is Settled.DONE and received.contract.kind is Kind.QUERY else logging.INFO
            if logging.root.isEnabledFor(level):
                _log.log(level, "message_settled", outcome=settled.value, attempt=received.attempt)
            return settled

    async def _settle(self, received: Received) -> Settled:
        losses = 0
        while True:
            if _has_deadline(received) and received.envelope.expired(self.clock() - CLOCK_SKEW):
                return Settled.EXPIRED
            try:
                outcome, settled = await self._execute(received)
            except Unreadable as unreadable:
                await self._refuse_unreadable(received.delivery, unreadable)
                return Settled.PARKED
            except Exception as error:  # noqa: BLE001 - every failure has a next step, decided by its kind
                failure = self.classify(error)
                if failure is Failure.LOST:
                    losses += 1
                    failure = failure_after_loss(losses)
                _log.log(
                    _LEVEL[failure],
                    "handler_failed",
                    failure=failure.value,
                    error=error_location(error),
                    exc_info=error if failure is Failure.BUG else None,
                )
                if failure is Failure.DEPENDENCY:
                    self.gate.close()
                if _has_deadline(received):
                    await self._reply(received, _unavailable() if failure is not Failure.BUG else _internal_error())
                    return Settled.FAILED
                if failure is Failure.DEPENDENCY:
                    await self.gate.wait()
                    continue
                return await self._try_later(received, failure, error)
            await self._reply(received, outcome)
            if failpoints.ARMED:
                await failpoints.reached("after_reply", received.contract.wire_name)
            return settled

    async def _execute(self, received: Received) -> tuple[Outcome, Settled]:
        contract, envelope = received.contract, received.envelope
        try:
            message = await self.unseal(received.message, envelope)
            with self.metrics.handler_seconds(contract.action()).time():
                reply = await received.handler(message, envelope, self.tools)
        except AlreadyHandled:
            if issubclass(contract, Event):
                return Outcome.succeeded(None), Settled.DUPLICATE
            return await self._recorded_outcome(received)
        except Refusal as refusal:
            if issubclass(contract, Event):
                raise  # nobody asked, so nobody would hear of it: it is a failure like others
            return await self._refused(received, refusal)
        if issubclass(contract, Request) and not isinstance(reply, contract.reply_type() or type(None)):
            raise TypeError(f"{contract.wire_name} was answered with {type(reply).__name__}")
        return Outcome.succeeded(reply), Settled.DONE

    async def _recorded_outcome(self, received: Received) -> tuple[Outcome, Settled]:
        row = await self.inbox.find(received.envelope.actor.key, received.envelope.id)
        if row is None:
            raise LookupError("the inbox refused a message that it does not have")
        if row.fingerprint != received.envelope.fingerprint:
            return row.outcome_for(received.envelope.fingerprint), Settled.REFUSED
        # After a crash the broker or the ladder brings the same delivery again: the caller has heard nothing yet.
        again_by_caller = not received.delivery.redelivered and received.attempt == 1
        return row.outcome.model_copy(update={"replayed": again_by_caller}), Settled.DUPLICATE

    async def _refused(self, received: Received, refusal: Refusal) -> tuple[Outcome, Settled]:
        outcome = Outcome.refused(refusal)
        _log.info("message_refused", actor=received.envelope.actor.key, code=refusal.code)
        # Whoever was first wins: this may be a repeat of what succeeded, refused since it has.
        if received.contract.kind is Kind.COMMAND and not await self.inbox.record(received.envelope, outcome):
            return await self._recorded_outcome(received)
        return outcome, Settled.REFUSED

    async def _try_later(self, received: Received, failure: Failure, error: BaseException) -> Settled:
        rung = next_rung(failure, received.attempt)
        if rung is None:
            is_command = received.contract.kind is Kind.COMMAND
            try:
                await self._park(
                    received.delivery, f"{failure}", error_location(error), notified=is_command, received=received
                )
            except QueueFull:  # comes again in a while, so that it is not lost and holds up no other
                _log.error("parking_lot_full", failure=failure.value, queue=received.delivery.queue)
                await self._retry(received, PARKING_FULL_RUNG, attempt=received.attempt)
                return Settled.RETRIED
            if is_command:
                outcome = _parked()
                if not await self.inbox.record(received.envelope, outcome):
                    outcome, _ = await self._recorded_outcome(received)
                await self._reply(received, outcome)
            return Settled.PARKED
        await self._retry(received, rung, attempt=received.attempt + 1)
        return Settled.RETRIED

    async def _retry(self, received: Received, rung: str, *, attempt: int) -> None:
        """A copy comes back to the same queue after the time of *rung*."""
        delivery = received.delivery
        await self.publisher.publish(
            OutgoingMessage(
                exchange="autograph.retry",
                routing_key=delivery.queue,
                body=delivery.body,
                type=received.contract.wire_name,
                correlation_id=delivery.correlation_id or received.envelope.correlationid,
                reply_to=delivery.reply_to,
                headers={
                    headers.RUNG: rung,
                    headers.ATTEMPT: attempt,
                    headers.ORIGINAL_USER: received.sender,
                    headers.ORIGINAL_ROUTING_KEY: received.routing_key,
                },
            )
        )
        self.metrics.retried(received.contract.action(), rung)

    async def give_up(self, delivery: Delivery) -> None:
        """Parks what has killed or blocked its worker twice, without carrying it out once more.

        Its sender is told, and its outcome kept, if it is so small that to read it cannot have been what killed.
        """
        if len(delivery.body) <= SAFE_TO_READ_BYTES:
            try:
                received = read(delivery, self.service, self.handlers.by_wire_name)
            except Unreadable as unreadable:
                await self._refuse_unreadable(delivery, unreadable)
                return
            await self._give_up_readable(received)
            return
        try:
            check_ingress(delivery)
        except Unreadable as unreadable:
            await self._refuse_unreadable(delivery, unreadable)
            return
        await self._park(delivery, POISON, "not read again: its size may be the reason", notified=False)
        self.metrics.settled("unreadable", Settled.PARKED)

    async def _give_up_readable(self, received: Received) -> None:
        name, kind = received.contract.action(), received.contract.kind
        outcome = _parked() if kind is Kind.COMMAND else _internal_error()
        if kind is Kind.COMMAND and (before := await self._record_failure(received.envelope)) is not None:
            self.metrics.settled(name, Settled.DUPLICATE)  # it was done, and killed afterwards
            await self._reply(received, before)
            return
        await self._park(received.delivery, POISON, POISON_DETAIL, notified=kind is Kind.COMMAND, received=received)
        self.metrics.settled(name, Settled.PARKED)
        await self._reply(received, outcome)

    async def _refuse_unreadable(self, delivery: Delivery, unreadable: Unreadable) -> None:
        """Park it, and tell the sender where the sender is known: a program that sent nonsense should hear so."""
        _log.error("message_parked", reason=unreadable.reason, detail=unreadable.detail, queue=delivery.queue)
        envelope = unreadable.envelope
        if envelope is None:
            await self._park(delivery, unreadable.reason, unreadable.detail, notified=False)
            self.metrics.settled("unreadable", Settled.PARKED)
            return
        outcome = Outcome.refused(Invalid(errors=tuple(_field_errors(unreadable.detail))))
        is_command = self._is_command(envelope)
        if is_command and (before := await self._record_failure(envelope)) is not None:
            outcome = before  # a newer release than this one has carried it out
        await self._park(delivery, unreadable.reason, unreadable.detail, notified=is_command)
        self.metrics.settled("unreadable", Settled.PARKED)
        await self._send(delivery, envelope, outcome)

    async def _record_failure(self, envelope: Envelope) -> Outcome | None:
        """Keeps it as failed. The outcome that it had, if it had one. Waits while the database is unavailable."""
        while True:
            try:
                if await self.inbox.record(envelope, _parked()):
                    return None
                row = await self.inbox.find(envelope.actor.key, envelope.id)
            except Exception as error:
                if self.classify(error) not in (Failure.DEPENDENCY, Failure.LOST):
                    raise
                self.gate.close()
                await self.gate.wait()
            else:
                return None if row is None else row.outcome_for(envelope.fingerprint)

    def _is_command(self, envelope: Envelope) -> bool:
        contract, _ = self.handlers.by_wire_name[envelope.type]
        return contract.kind is Kind.COMMAND

    async def _park(
        self, delivery: Delivery, reason: str, detail: str, *, notified: bool, received: Received | None = None
    ) -> None:
        """Raises ``QueueFull`` while the lot is full.

        What a producer sent and nobody can carry out has a lot of its own, whose oldest gives way: no outsider fills
        the one in which what was accepted waits for a person.
        """
        sender, routing_key = origin(delivery, self.service)
        parked_headers: dict[str, str | int] = {
            headers.PARKED_REASON: reason,
            headers.PARKED_DETAIL: detail[:500],
            headers.PARKED_FROM: delivery.queue,
            headers.PARKED_AT: self.clock().isoformat(),
            headers.ORIGINAL_USER: received.sender if received else sender,
            headers.ORIGINAL_ROUTING_KEY: received.routing_key if received else routing_key,
            headers.ATTEMPT: received.attempt if received else 1,
            headers.FAILURE_NOTIFIED: int(notified),
        }
        action = received.contract.action() if received else "unreadable"
        is_producers = received is None and reason != POISON and delivery.queue.endswith(".producers")
        await self.publisher.publish(
            OutgoingMessage(
                exchange="autograph.refused" if is_producers else "autograph.parked",
                routing_key=f"{self.service}.{action}",
                body=delivery.body,
                type=received.contract.wire_name if received else "",
                correlation_id=delivery.correlation_id or "",
                content_type=delivery.content_type or "application/octet-stream",
                headers=parked_headers,
            )
        )
        self.metrics.parked(action, reason)

    async def _reply(self, received: Received, outcome: Outcome) -> None:
        await self._send(received.delivery, received.envelope, outcome)

    async def _send(self, delivery: Delivery, envelope: Envelope, outcome: Outcome) -> None:
        if delivery.reply_to is None:
            return
        outgoing = reply_message(
            self.service, envelope, outcome, reply_to=delivery.reply_to, correlation_id=delivery.correlation_id,
            now=self.clock(),
        )  # fmt: skip
        try:
            await self.publisher.send(outgoing)
        except NotPublished:
            _log.warning("reply_not_sent")  # no loss: the outcome stands in the inbox, and a repeat is told it


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


def _has_deadline(received: Received) -> bool:
    return received.contract.kind in (Kind.QUERY, Kind.TRANSIENT)


def _unavailable() -> Outcome:
    return Outcome.failed("unavailable", "Service unavailable")


def _parked() -> Outcome:
    return Outcome.failed("parked", "The command failed and is parked")


def _internal_error() -> Outcome:
    return Outcome.failed("internal_error", "Internal error")


def _field_errors(detail: str) -> list[FieldError]:
    found = (place.partition(": ") for place in detail.split("; "))
    return [FieldError(pointer=f"/{path}", code=code, detail=code.replace("_", " ")) for path, _, code in found]


_LEVEL = {Failure.TRANSIENT: logging.WARNING, Failure.DEPENDENCY: logging.WARNING, Failure.BUG: logging.ERROR}
_WENT_WRONG = frozenset({Settled.RETRIED, Settled.PARKED, Settled.EXPIRED, Settled.FAILED})
