"""Asking another worker on behalf of the user whose message is handled here (``contracts.catalogue.DELEGATIONS``)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID, uuid5

from chassis.bus.requester import Requester
from chassis.jobs.job import JobEnvelope
from contracts.envelope import Envelope
from contracts.message import Reply, Request
from contracts.outcome import Status
from contracts.refusal import Problem, Refusal

ReplyT = TypeVar("ReplyT", bound=Reply | None)


class DelegatedRefusal(Refusal):
    """The asked worker refused, as it would refuse the user. Not caught, it is what the user is told."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.title = problem.title  # type: ignore[misc]  # of this refusal, not of the class
        self.code = problem.code  # type: ignore[misc]  # as above
        super().__init__(problem.detail)

    def problem(self) -> Problem:
        return self._problem


class DelegatedFailure(Exception):
    """The asked worker failed. A retry of the message that asks may find it well."""


class Delegate:
    def __init__(self, requester: Requester, *, service: str, clock: Callable[[], datetime]) -> None:
        self._requester = requester
        self._service = service
        self._clock = clock

    async def ask(self, request: Request[ReplyT], cause: Envelope, *, step: str = "") -> ReplyT:
        """The reply to *request*, sent for the user of *cause*, the message or job that is handled.

        Its id follows from the cause (the job, not the message that enqueued it), the request's type and *step*: a
        cause that is handled again asks the same again, and a command is carried out once. Two requests of one type for
        one cause need two steps. Raises ``DelegatedRefusal``, and what is worth a retry: ``DelegatedFailure``,
        ``ReplyTimeout``, ``NotPublished``.
        """
        now = self._clock()
        envelope = delegated(request, cause, service=self._service, now=now, step=step)
        assert envelope.deadline is not None
        seconds = (envelope.deadline - now).total_seconds()
        outcome = await self._requester.request(request, envelope, timeout_seconds=seconds)
        if outcome.status is Status.REFUSED and outcome.problem is not None:
            raise DelegatedRefusal(outcome.problem)
        if outcome.status is not Status.SUCCEEDED:
            raise DelegatedFailure(outcome.problem.code if outcome.problem else outcome.status.value)
        reply = request.reply_type()
        return cast("ReplyT", None if reply is None else reply.model_validate(outcome.parsed()))


def delegated(request: Request[Any], cause: Envelope, *, service: str, now: datetime, step: str = "") -> Envelope:
    """Correlation, actor, trace and deadline are the cause's; a deadline that has passed holds up no command."""
    deadline = now + request.timeout
    if cause.deadline is not None and now < cause.deadline:
        deadline = min(deadline, cause.deadline)
    return Envelope(
        id=delegated_id(cause.job if isinstance(cause, JobEnvelope) else cause.id, request.wire_name, step),
        source=f"/workers/{service}",
        type=request.wire_name,
        time=now,
        correlationid=cause.correlationid,
        causationid=cause.id,
        actor=cause.actor,
        deadline=deadline,
        traceparent=cause.traceparent,
    )


def delegated_id(cause: UUID, wire_name: str, step: str) -> UUID:
    return uuid5(cause, f"{wire_name}/{step}")
