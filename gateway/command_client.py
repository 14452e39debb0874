"""Sends requests over the bus, behind one circuit breaker per bulkhead, and turns each failure into a response."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.bus.ports import MessageTooLarge, NotPublished, QueueFull, Unroutable
from chassis.bus.requester import ReplyTimeout
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Kind, Request
from contracts.outcome import Outcome
from gateway.breaker import Breaker
from gateway.ports import Bus
from gateway.problems import HttpProblem

TIMEOUT_TOLERANCE = 0.9  # of a timeout: the bus measures it with another clock

GATEWAY = Actor(kind=ActorKind.SERVICE, id=UUID(int=0), name="gateway")


class OutcomePending(Exception):
    """A command has no outcome yet. *confirmed*: the broker has stored it, so it will be carried out."""

    def __init__(self, *, confirmed: bool) -> None:
        super().__init__("no outcome yet")
        self.confirmed = confirmed


@dataclass(frozen=True, slots=True)
class CommandClient:
    bus: Bus
    breakers: Mapping[str, Breaker]
    clock: Callable[[], float] = time.monotonic

    async def call(self, request: Request[Any], envelope: Envelope, *, wait_seconds: float | None = None) -> Outcome:
        """Send *request* and wait for its outcome. *wait_seconds*: a command's client may want to wait less.

        Raises ``OutcomePending`` for a command that got no reply, ``HttpProblem`` (503, 504) for any other request.
        """
        full_seconds = request.timeout.total_seconds()
        if wait_seconds is not None and wait_seconds < full_seconds:
            return await self._call_with_client_timeout(request, envelope, wait_seconds)
        breaker = self._breaker(request)
        asked_at = self.clock()
        try:
            outcome = await self.bus.request(request, envelope, timeout_seconds=full_seconds)
        except NotPublished as error:
            raise self._publish_problem(breaker, error) from None
        except ReplyTimeout as unanswered:
            # Earlier than the timeout: the gateway's own reply queue was lost, which says nothing about the worker.
            if self.clock() - asked_at >= full_seconds * TIMEOUT_TOLERANCE:
                breaker.record_failure()
            match request.kind:
                case Kind.COMMAND:
                    raise OutcomePending(confirmed=unanswered.confirmed) from None
                case Kind.TRANSIENT:
                    raise HttpProblem("unavailable", headers={"Retry-After": "1"}) from None
                case _:
                    raise HttpProblem("timeout") from None
        breaker.record_success()
        return outcome

    async def _call_with_client_timeout(
        self, command: Request[Any], envelope: Envelope, wait_seconds: float
    ) -> Outcome:
        breaker = self._breaker(command)
        try:
            outcome = await self.bus.request(command, envelope, timeout_seconds=wait_seconds)
        except NotPublished as error:
            raise self._publish_problem(breaker, error) from None
        except ReplyTimeout as unanswered:  # the client chose a short wait: this says nothing about the worker
            if not unanswered.confirmed:
                await self._confirm(command, envelope)
            raise OutcomePending(confirmed=True) from None
        breaker.record_success()
        return outcome

    async def submit(self, request: Request[Any], envelope: Envelope) -> None:
        """Returns once the broker has the command. Raises ``OutcomePending`` if that is unknown, ``HttpProblem``."""
        breaker = self._breaker(request)
        try:
            await self.bus.submit(request, envelope, timeout_seconds=request.timeout.total_seconds())
        except NotPublished as error:
            raise self._publish_problem(breaker, error) from None
        except ReplyTimeout:
            breaker.record_failure()
            raise OutcomePending(confirmed=False) from None

    async def _confirm(self, command: Request[Any], envelope: Envelope) -> None:
        """Send *command* again to learn whether the broker has it. The message id is the same, so it is done once."""
        try:
            await self.bus.submit(command, envelope, timeout_seconds=command.timeout.total_seconds())
        except (NotPublished, ReplyTimeout):
            raise OutcomePending(confirmed=False) from None

    def _breaker(self, request: Request[Any]) -> Breaker:
        breaker = self.breakers[breaker_name(request)]
        if not breaker.allows():
            raise HttpProblem("unavailable", headers={"Retry-After": str(breaker.retry_after_seconds)})
        return breaker

    @staticmethod
    def _publish_problem(breaker: Breaker, error: NotPublished) -> HttpProblem:
        if isinstance(error, MessageTooLarge):
            return HttpProblem(
                "body_too_large", "The message is too large once its numbers are written in decimal notation"
            )
        if isinstance(error, QueueFull | Unroutable):
            breaker.record_failure()
        return HttpProblem("unavailable", headers={"Retry-After": "1"})


def breaker_name(request: type[Request[Any]] | Request[Any]) -> str:
    """One breaker per bulkhead, and one for the rest of the worker: a slow bulkhead must not block the others."""
    return request.worker() if request.bulkhead is None else f"{request.worker()}.{request.bulkhead}"


def envelope_of(
    request: Request[Any],
    actor: Actor,
    *,
    correlation_id: str,
    message_id: UUID | None = None,
    fingerprint: str | None = None,
    traceparent: str | None = None,
) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(
        id=message_id or uuid7(),
        source="/gateway",
        type=request.wire_name,
        time=now,
        correlationid=correlation_id,
        actor=actor,
        deadline=now + timedelta(seconds=request.timeout.total_seconds()),
        fingerprint=fingerprint,
        partitionkey=str(actor.id),
        traceparent=traceparent,
    )
