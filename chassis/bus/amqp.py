"""Publishing over AMQP: confirmed, or plainly not."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle
from uuid import uuid4

import aiormq
from aiormq import spec

from chassis.bus.link import Link, is_cancelled
from chassis.bus.ports import ConfirmMissing, Letter, NotPublished, QueueFull, Unroutable

# aiormq writes one publish at a time on a channel, and waits for the socket in between.
CHANNELS = 4
SEND_SECONDS = 5.0  # for the socket to take what nobody confirms
IN_FLIGHT = 1_000  # acknowledging many at once costs aiormq time in proportion to all that are open


class AmqpPublisher:
    """Implements ``ports.Publisher`` on a connection of its own.

    A blocked connection (the broker's memory or disk alarm) must not hold up deliveries or replies.
    """

    def __init__(self, url: str, *, user: str, name: str) -> None:
        self.link = Link(url, f"{name} publishing", self._set_up)
        self._user = user
        self._confirmed: list[aiormq.Channel] = []
        self._unconfirmed: list[aiormq.Channel] = []
        self._turn = cycle(range(CHANNELS))
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)

    async def _set_up(self, link: Link) -> None:
        self._confirmed = [await link.channel(confirms=True) for _ in range(CHANNELS)]
        self._unconfirmed = [await link.channel(confirms=False) for _ in range(CHANNELS)]

    async def publish(self, letter: Letter, *, timeout_seconds: float = 5.0) -> None:
        await self.check()  # while the broker is away nobody waits for a place
        left_seconds = await self._place(timeout_seconds)
        try:
            # From here on the broker may have it, whatever happens, unless it says itself that it has not.
            confirm = await self._write(self._one_of(self._confirmed), letter, left_seconds)
        except TimeoutError:
            raise ConfirmMissing("no confirm in time") from None
        except aiormq.exceptions.PublishError as returned:
            raise Unroutable(f"no queue takes {letter.routing_key}") from returned
        except aiormq.exceptions.DeliveryError as nacked:
            raise QueueFull(f"{letter.routing_key} was rejected") from nacked
        except (OSError, aiormq.AMQPError, RuntimeError) as error:
            raise ConfirmMissing(type(error).__qualname__) from error
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise ConfirmMissing("the connection was lost") from None
        finally:
            self._in_flight.release()
        if not isinstance(confirm, spec.Basic.Ack):
            raise ConfirmMissing(type(confirm).__qualname__)

    async def send(self, letter: Letter) -> None:
        channel = self._one_of(self._unconfirmed)
        try:
            await self._write(channel, letter, SEND_SECONDS)
        except (TimeoutError, OSError, aiormq.AMQPError, RuntimeError) as error:
            raise NotPublished(type(error).__qualname__) from error
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise NotPublished("the connection was lost") from None

    async def check(self) -> None:
        """For health: raises ``NotPublished`` while there is no connection."""
        if not self.link.is_up or all(channel.is_closed for channel in self._confirmed):
            raise NotPublished("no connection to the broker")

    async def _place(self, timeout_seconds: float) -> float:
        """One of the places in flight, and the seconds that are left then. Raises ``NotPublished``."""
        if not self._in_flight.locked():  # taken without waiting, and without a timer
            await self._in_flight.acquire()
            return timeout_seconds
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._in_flight.acquire()
        except TimeoutError:
            raise NotPublished("too many wait for the broker's confirm") from None
        return timeout_seconds - (time.monotonic() - began)

    def _one_of(self, channels: Sequence[aiormq.Channel]) -> aiormq.Channel:
        if self.link.is_up:
            for _ in range(CHANNELS):
                channel = channels[next(self._turn)]
                if not channel.is_closed:
                    return channel
        raise NotPublished("no connection to the broker")

    async def _write(self, channel: aiormq.Channel, letter: Letter, timeout_seconds: float) -> object:
        """What the broker answered; ``None`` on a channel without confirms. Raises ``TimeoutError``."""
        properties = spec.Basic.Properties(
            content_type=letter.content_type,
            headers=dict(letter.headers) or None,
            delivery_mode=2 if letter.persistent else 1,
            correlation_id=letter.correlation_id,
            reply_to=letter.reply_to,
            # The client matches returns by it, so no two publishes may share one.
            message_id=uuid4().hex,
            user_id=self._user,
        )
        if letter.expiration_seconds is not None:
            properties.expiration = str(max(1, int(letter.expiration_seconds * 1000)))
        if letter.persistent:
            # For whoever looks at what lies in a queue. What is gone in a moment is not looked at, and the three cost
            # 6 us of CPU to write and 5 to read (2026-11-28).
            properties.timestamp = datetime.now(UTC)
            properties.message_type = letter.type
            properties.app_id = "autograph"
        return await channel.basic_publish(
            letter.body,
            exchange=letter.exchange,
            routing_key=letter.routing_key,
            mandatory=letter.mandatory,
            timeout=timeout_seconds,
            properties=properties,
        )
