"""Request and reply over the bus: publish a request, await its outcome, raise if there is none in time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from aiormq.abc import DeliveredMessage

from chassis.bus.headers import service_user
from chassis.bus.link import Link, text
from chassis.bus.ports import ConfirmMissing, NotPublished, OutgoingMessage, RequestPublisher
from chassis.bus.replies import EXCHANGE, read_reply
from chassis.logging import logger
from contracts.envelope import Envelope, encode
from contracts.message import Kind, Message, Request
from contracts.outcome import Outcome

_log = logger(__name__)

Seal = Callable[[Message, Envelope], Awaitable[Message]]


class ReplyTimeout(Exception):
    """No reply came in time. *confirmed*: the broker has the request, so a command will be carried out."""

    def __init__(self, *, confirmed: bool) -> None:
        super().__init__("no reply in time")
        self.confirmed = confirmed


class _ReplyQueueLost(Exception):
    """The reply queue went with its connection: no reply will come any more."""


class Requester:
    """Sends concurrent requests over one reply queue, which has a new name for each connection.

    Queries are published without a confirm: the reply confirms them. A reply is accepted only from the broker user of
    the requested worker. A late reply is dropped: the outcome of a command is in its worker's inbox.
    """

    def __init__(self, url: str, *, user: str, name: str, publisher: RequestPublisher, seal: Seal) -> None:
        self.link = Link(url, f"{name} replies", self._set_up)
        self._user = user
        self._publisher = publisher
        self._seal = seal
        self._reply_to = ""
        self._waiting: dict[UUID, tuple[str, set[asyncio.Future[Outcome]]]] = {}  # worker's user, waiters

    async def _set_up(self, link: Link) -> None:
        self._fail_waiters()
        channel = await link.channel(confirms=False)
        name = f"reply.{self._user}.{uuid4()}"
        await channel.queue_declare(name, exclusive=True, auto_delete=True)
        await channel.queue_bind(name, EXCHANGE, routing_key=name)
        await channel.basic_consume(name, self._on_reply, no_ack=True)
        self._reply_to = name

    async def request(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> Outcome:
        """The outcome, whichever it is. Raises ``NotPublished`` (certainly not taken) or ``ReplyTimeout``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        sealed = await self._seal(request, envelope)
        await self.check()
        left = deadline - loop.time()
        outgoing = _outgoing(request, envelope, sealed, left, reply_to=self._reply_to)
        reply: asyncio.Future[Outcome] = loop.create_future()
        _, waiters = self._waiting.setdefault(envelope.id, (service_user(request.worker()), set()))
        waiters.add(reply)
        confirmed, forget = False, None
        try:
            async with asyncio.timeout_at(deadline) as waiting:
                if request.kind is Kind.QUERY:
                    # Returned if its queue does not exist: then no reply will come.
                    forget = await self._publisher.send_mandatory(outgoing, lambda error: _fail(reply, error))
                else:
                    confirmed = await self._confirmed(outgoing, left, reply, waiting)
                return await reply
        except (TimeoutError, _ReplyQueueLost):
            if _has_outcome(reply):
                return reply.result()
            raise ReplyTimeout(confirmed=confirmed) from None
        finally:
            if forget is not None:
                forget()
            waiters.discard(reply)
            if not waiters:
                self._waiting.pop(envelope.id, None)
            if not reply.cancel() and not reply.cancelled():
                reply.exception()  # asyncio reports one that is never retrieved

    async def _confirmed(
        self, outgoing: OutgoingMessage, seconds: float, reply: "asyncio.Future[Outcome]", waiting: asyncio.Timeout
    ) -> bool:
        try:
            with _stop_waiting_on_reply(reply, waiting):
                await self._publisher.publish(outgoing, timeout_seconds=seconds)
        except ConfirmMissing:
            return False  # the reply may still come
        return True

    async def submit(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> None:
        """Publish a command and return once the broker has confirmed it; the outcome can be queried.

        Raises ``NotPublished``, or ``ReplyTimeout`` if the confirm did not come.
        """
        sealed = await self._seal(request, envelope)
        outgoing = _outgoing(request, envelope, sealed, timeout_seconds, reply_to=None)
        try:
            await self._publisher.publish(outgoing, timeout_seconds=timeout_seconds)
        except ConfirmMissing as missing:
            raise ReplyTimeout(confirmed=False) from missing

    async def check(self) -> None:
        """For health: raises ``NotPublished`` while no reply could come."""
        if not self.link.is_up:
            raise NotPublished("no reply queue")

    async def _on_reply(self, message: DeliveredMessage) -> None:
        try:
            request_id, outcome = read_reply(bytes(message.body))
        except ValueError:
            _log.warning("reply_unreadable")
            return
        worker, waiters = self._waiting.get(request_id, ("", set()))
        if not waiters:
            return
        sender = text(message.header.properties.user_id)
        if sender != worker:
            _log.warning("reply_not_trusted", sender=sender)
            return
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(outcome)

    def _fail_waiters(self) -> None:
        for _, waiters in self._waiting.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(_ReplyQueueLost())


def _outgoing(
    request: Request[Any], envelope: Envelope, sealed: Message, seconds: float, *, reply_to: str | None
) -> OutgoingMessage:
    is_command = request.kind is Kind.COMMAND
    return OutgoingMessage(
        exchange=request.exchange(),
        routing_key=request.routing_key(),
        body=encode(envelope, sealed),
        type=request.wire_name,
        correlation_id=envelope.correlationid,
        reply_to=reply_to,
        expiration_seconds=None if is_command else seconds,
        persistent=is_command,
    )


@contextmanager
def _stop_waiting_on_reply(reply: "asyncio.Future[Outcome]", waiting: asyncio.Timeout) -> Iterator[None]:
    """End *waiting* once the reply is here: the broker's confirm is not needed any more."""
    is_waiting = True

    def stop(_: "asyncio.Future[Outcome]") -> None:
        # The loop may have scheduled this before it was removed; by then the wait is over.
        if is_waiting and not waiting.expired() and _has_outcome(reply):
            waiting.reschedule(asyncio.get_running_loop().time())

    reply.add_done_callback(stop)
    try:
        yield
    finally:
        is_waiting = False
        reply.remove_done_callback(stop)


def _has_outcome(reply: "asyncio.Future[Outcome]") -> bool:
    return reply.done() and not reply.cancelled() and reply.exception() is None


def _fail(reply: "asyncio.Future[Outcome]", error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)
