"""Sends the operator's commands to a service over the bus, as the operator's broker user."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import aiormq
import asyncpg
from uuid_utils.compat import uuid7

from autograph.credentials import as_user, service_password
from autograph.installation import Installation
from chassis.bus.amqp import AmqpPublisher
from chassis.bus.headers import OPERATOR_USER
from chassis.bus.link import Link
from chassis.bus.ports import NotPublished
from chassis.bus.requester import ReplyTimeout, Requester
from chassis.key_pairs import Purpose, list_all
from chassis.sealing import seal
from compose.local.home import OperatorError
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Message, Reply, Request
from contracts.outcome import Status
from contracts.sealed import sealed_fields

CONNECT_SECONDS = 10.0
ACCESS_CODES = (403, 530)  # AMQP 0-9-1: access-refused; not-allowed, also for a virtual host
OPERATOR = Actor(kind=ActorKind.SERVICE, id=UUID(int=1), name=OPERATOR_USER)

ReplyT = TypeVar("ReplyT", bound=Reply)


def send_request(found: Installation, request: Request[ReplyT], kind: type[ReplyT]) -> ReplyT:
    """``send_request_async`` for synchronous callers."""
    return asyncio.run(send_request_async(found, request, kind))


async def send_request_async(found: Installation, request: Request[ReplyT], kind: type[ReplyT]) -> ReplyT:
    """The service's reply. Raises ``OperatorError`` if it refuses or does not reply."""
    now = datetime.now(UTC)
    envelope = Envelope(
        id=uuid7(),
        source="/operator",
        type=request.wire_name,
        time=now,
        correlationid=str(uuid7()),
        actor=OPERATOR,
        deadline=now + timedelta(seconds=request.timeout.total_seconds()),
    )
    async with _requester(found) as requester:
        try:
            outcome = await requester.request(request, envelope, timeout_seconds=request.timeout.total_seconds())
        except NotPublished as error:
            raise OperatorError(f"The broker did not take the command, so nothing was changed ({error})") from None
        except ReplyTimeout as unanswered:
            raise OperatorError(
                f"The {request.worker()} service has not answered. The command waits in its queue and will be done."
                if unanswered.confirmed
                else "It is not known whether the broker accepted the command: repeat it, which is safe."
            ) from None
    if outcome.status is not Status.SUCCEEDED:
        problem = outcome.problem
        assert problem is not None
        raise OperatorError(f"Refused: {problem.detail or problem.title} ({problem.code})")
    return kind.model_validate_json(outcome.reply or b"null")


@asynccontextmanager
async def _requester(found: Installation) -> AsyncIterator[Requester]:
    password = service_password(found.secret, "rabbitmq", "operator")
    url = as_user(found.servers.rabbitmq_url, OPERATOR_USER, password)
    publisher = AmqpPublisher(url, user=OPERATOR_USER, name="operator")

    async def sealed(message: Message, envelope: Envelope) -> Message:
        return await _sealed(found, message, envelope)

    requester = Requester(url, user=OPERATOR_USER, name="operator", publisher=publisher, seal=sealed)
    links = (publisher.link, requester.link)
    running = [asyncio.create_task(link.run()) for link in links]
    try:
        await _wait_up(links)
        yield requester
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _wait_up(links: Sequence[Link]) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            for link in links:
                await link.wait_up()
    except TimeoutError:
        if any(_is_access_refused(link.failure) for link in links):
            raise OperatorError(
                "The broker refused the operator's user: `autograph migrate` gives it its rights"
            ) from None
        raise OperatorError("RabbitMQ does not answer; nothing was changed") from None


def _is_access_refused(failure: Exception | None) -> bool:
    if isinstance(failure, aiormq.exceptions.ConnectionClosed):
        return failure.args[0] in ACCESS_CODES
    return isinstance(
        failure,
        aiormq.exceptions.AuthenticationError
        | aiormq.exceptions.InvalidFrameError  # aiormq's error for a refused virtual host
        | aiormq.exceptions.ProbableAuthenticationError
        | aiormq.exceptions.ChannelAccessRefused
        | aiormq.exceptions.ChannelNotFoundEntity,  # created by `autograph migrate`
    )


async def _sealed(found: Installation, message: Message, envelope: Envelope) -> Message:
    if not sealed_fields(type(message)):
        return message
    connection = await asyncpg.connect(found.servers.postgres_url, server_settings={"search_path": "auth"})
    try:
        keys = await list_all(connection)
    finally:
        await connection.close()
    now = datetime.now(UTC)
    usable = [key for key in keys if key.purpose is Purpose.SEALING and key.active_from <= now and not key.retired_at]
    if not usable:
        raise OperatorError("There is no key to seal the password with: the auth service makes it when it first starts")
    newest = max(usable, key=lambda key: key.active_from)
    return seal(message, envelope.id, newest.id, newest.public)
