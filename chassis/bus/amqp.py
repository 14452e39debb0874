"""Publishing over AMQP, with and without confirms."""

import asyncio
import time
from collections.abc import Callable

import aiormq
from aiormq import spec

from chassis.bus.channels import PublishingChannel
from chassis.bus.link import Link, is_cancelled
from chassis.bus.ports import ConfirmMissing, MessageTooLarge, NotPublished, OutgoingMessage, QueueFull, Unroutable
from chassis.bus.topology import MAX_MESSAGE_BYTES

SEND_SECONDS = 5.0  # until the socket accepts an unconfirmed message
MAX_IN_FLIGHT = 1_000  # a confirm of several messages takes aiormq time in proportion to all open ones


class AmqpPublisher:
    """Implements ``ports.Publisher`` on a connection of its own.

    The broker blocks a publishing connection during a memory or disk alarm: that must not delay deliveries or replies.
    """

    def __init__(self, url: str, *, user: str, name: str) -> None:
        self.link = Link(url, f"{name} publishing", self._set_up)
        self._user = user
        self._confirmed: PublishingChannel | None = None
        self._unconfirmed: PublishingChannel | None = None
        self._in_flight = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def _set_up(self, link: Link) -> None:
        self._confirmed = await link.publishing_channel(user=self._user, confirms=True)
        self._unconfirmed = await link.publishing_channel(user=self._user, confirms=False)

    async def publish(self, outgoing: OutgoingMessage, *, timeout_seconds: float = 5.0) -> None:
        _check_size(outgoing)
        await self.check()  # while the broker is unavailable, fail at once
        deadline = time.monotonic() + timeout_seconds
        await self._acquire_slot(timeout_seconds)
        try:
            channel = await self._writable(self._confirmed, deadline - time.monotonic())
            # From here on the broker may have the message, unless it rejects or returns it.
            confirm = channel.publish(outgoing)
            expiry = asyncio.get_running_loop().call_later(deadline - time.monotonic(), confirm.cancel)
            try:
                answer = await confirm
            finally:
                expiry.cancel()
        except aiormq.exceptions.PublishError as returned:
            raise Unroutable(f"no queue takes {outgoing.routing_key}") from returned
        except aiormq.exceptions.DeliveryError as nacked:
            raise QueueFull(f"{outgoing.routing_key} was rejected") from nacked
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise ConfirmMissing("no confirm in time, or the connection was lost") from None
        finally:
            self._in_flight.release()
        if not isinstance(answer, spec.Basic.Ack):
            raise ConfirmMissing(type(answer).__qualname__)

    async def send(self, outgoing: OutgoingMessage) -> None:
        _check_size(outgoing)
        channel = await self._writable(self._unconfirmed, SEND_SECONDS)
        channel.write(outgoing)

    async def send_mandatory(
        self, outgoing: OutgoingMessage, on_returned: Callable[[Unroutable], None]
    ) -> Callable[[], None]:
        _check_size(outgoing)
        channel = await self._writable(self._unconfirmed, SEND_SECONDS)
        return channel.send(outgoing, on_returned)

    async def check(self) -> None:
        """For health: raises ``NotPublished`` while there is no connection."""
        if not self.link.is_up or self._confirmed is None or not self._confirmed.is_open:
            raise NotPublished("no connection to the broker")

    async def _acquire_slot(self, timeout_seconds: float) -> None:
        """Take one of the ``MAX_IN_FLIGHT`` slots. Raises ``NotPublished``."""
        if not self._in_flight.locked():  # does not wait, so it needs no timer
            await self._in_flight.acquire()
            return
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._in_flight.acquire()
        except TimeoutError:
            raise NotPublished("too many messages wait for a confirm") from None

    async def _writable(self, channel: PublishingChannel | None, timeout_seconds: float) -> PublishingChannel:
        """The channel, once its socket accepts more. Raises ``NotPublished``."""
        try:
            if channel is not None:
                await channel.wait_for_room(timeout_seconds)
        except (TimeoutError, OSError, RuntimeError) as error:
            raise NotPublished(type(error).__qualname__) from error
        if channel is None or not self.link.is_up or not channel.is_open:
            raise NotPublished("no connection to the broker")
        return channel


def _check_size(outgoing: OutgoingMessage) -> None:
    if len(outgoing.body) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(f"{len(outgoing.body)} bytes for {outgoing.routing_key}")
