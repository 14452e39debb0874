"""An AMQP connection that reconnects, with all its channels and consumers set up again each time.

aio-pika's robust connection restores channels one by one and gets stuck on the first that fails. Our connections have
few channels, so they are set up as a whole.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import aio_pika
import aiormq

from chassis.bus.channels import ConsumingChannel, PublishingChannel
from chassis.bus.connection import AmqpConnection
from chassis.bus.ports import LinkDown
from chassis.logging import logger

CONNECT_SECONDS = 5.0
SET_UP_SECONDS = 10.0
CLOSE_SECONDS = 2.0
RECONNECT_DELAY_SECONDS = (0.2, 0.7)  # random between these, so that processes do not reconnect all at once
HEARTBEAT_SECONDS = 10  # a dead peer is detected after about three times this; below 5, busy peers look dead

_log = logger(__name__)

SetUp = Callable[["Link"], Awaitable[None]]


class Link:
    """*set_up* opens the channels through ``channel`` and raises if it fails; after it the link is up.

    If a channel is closed, or the broker cancels a consumer, the whole connection is closed and made again: no caller
    has to restore a part.
    """

    def __init__(self, url: str, name: str, set_up: SetUp, *, heartbeat_seconds: int = HEARTBEAT_SECONDS) -> None:
        self._url = url
        self._name = name
        self._set_up = set_up
        self._heartbeat_seconds = heartbeat_seconds
        self._connection: AmqpConnection | None = None
        self._channels: list[aio_pika.abc.AbstractChannel] = []  # aio-pika itself keeps only weak references
        self._publishing: list[PublishingChannel] = []
        self._lost = asyncio.Event()  # of the current connection; each connection has its own
        self._up = asyncio.Event()
        self._failed_before = False
        self.failure: Exception | None = None  # of the last attempt to connect, if it failed

    @property
    def is_up(self) -> bool:
        return self._up.is_set() and not self._lost.is_set()

    async def wait_up(self) -> None:
        await self._up.wait()

    async def channel(self, *, confirms: bool) -> aiormq.Channel:
        """A channel of the current connection. With *confirms*, returned messages raise."""
        assert self._connection is not None
        channel = self._connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        await channel.initialize(timeout=SET_UP_SECONDS)
        self._channels.append(channel)
        underlay = await channel.get_underlay_channel()
        assert isinstance(underlay, aiormq.Channel)
        lost = self._lost
        underlay.closing.add_done_callback(lambda _: lost.set())
        underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())
        return underlay

    async def has_queue(self, name: str) -> bool:
        """Uses a channel of its own, which the broker closes if there is no queue. Raises if the connection is lost."""
        assert self._connection is not None
        channel = self._connection.channel(publisher_confirms=False)
        await channel.initialize(timeout=SET_UP_SECONDS)
        underlay = await channel.get_underlay_channel()
        try:
            await underlay.queue_declare(name, passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False
        await channel.close()
        return True

    async def queue_states(self, names: Iterable[str]) -> dict[str, tuple[int, int] | None]:
        """The messages that wait in each queue, and its consumers; None: there is no such queue.

        It takes no right on them. Raises ``LinkDown``.
        """
        found: dict[str, tuple[int, int] | None] = {}
        channel: aio_pika.abc.AbstractChannel | None = None
        try:
            for name in names:
                if channel is None:
                    if not self.is_up or self._connection is None:
                        raise LinkDown
                    channel = self._connection.channel(publisher_confirms=False)
                    await channel.initialize(timeout=SET_UP_SECONDS)
                try:
                    declared = await (await channel.get_underlay_channel()).queue_declare(name, passive=True)
                except aiormq.exceptions.ChannelNotFoundEntity:  # the broker has closed the channel
                    found[name], channel = None, None
                else:
                    found[name] = (declared.message_count or 0, declared.consumer_count or 0)
        except (aiormq.AMQPError, RuntimeError) as error:
            raise LinkDown from error
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            raise LinkDown from error
        finally:
            if channel is not None:
                with suppress(OSError, aiormq.AMQPError, RuntimeError):
                    await channel.close()
        return found

    async def publishing_channel(self, *, user: str, confirms: bool) -> PublishingChannel:
        channel = await self.channel(confirms=confirms)
        assert self._connection is not None
        publishing = PublishingChannel(channel, self._connection.writer, user=user)
        self._publishing.append(publishing)
        return publishing

    async def consuming_channel(self, *, prefetch: int) -> ConsumingChannel:
        channel = await self.channel(confirms=False)
        await channel.basic_qos(prefetch_count=prefetch)
        assert self._connection is not None
        return ConsumingChannel(channel, self._connection.writer)

    async def run(self) -> None:
        """Runs for as long as the process: connect, set up, wait for the loss of the connection, repeat."""
        while True:
            await self._connect_once()
            await asyncio.sleep(random.uniform(*RECONNECT_DELAY_SECONDS))  # noqa: S311 - jitter

    def drop(self) -> None:
        """Close this connection, so that another is made."""
        self._lost.set()

    async def _connect_once(self) -> None:
        lost = self._lost = asyncio.Event()
        try:
            async with asyncio.timeout(CONNECT_SECONDS + SET_UP_SECONDS):
                connection = await aio_pika.connect(
                    self._url,
                    timeout=CONNECT_SECONDS,
                    heartbeat=self._heartbeat_seconds,
                    client_properties={"connection_name": self._name},
                    connection_class=AmqpConnection,
                )
                assert isinstance(connection, AmqpConnection)
                self._connection = connection
                assert connection.transport is not None
                connection.transport.connection.closing.add_done_callback(lambda _: lost.set())
                await self._set_up(self)
            if is_cancelled():  # the libraries can lose a cancellation that arrives as an answer of the broker does
                raise asyncio.CancelledError  # noqa: TRY301 - closed below, as any other
            self._up.set()
            self._failed_before = False
            self.failure = None
            _log.info("broker_link_up", link=self._name)
            await lost.wait()
            _log.warning("broker_link_lost", link=self._name)
        except Exception as error:  # noqa: BLE001 - whatever the error is, the next connection may succeed
            self.failure = error
            self._report(f"{type(error).__qualname__}: {error}")
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            self._report("the connection was lost while it was set up")
        finally:
            self._up.clear()
            self._abandon()
            await self._close()

    def _report(self, error: str) -> None:
        """Log a warning once for each outage, as there is an attempt each half second."""
        _log.log(
            logging.DEBUG if self._failed_before else logging.WARNING,
            "broker_link_failed",
            link=self._name,
            error=error,
        )
        self._failed_before = True

    def _abandon(self) -> None:
        """Cancel all open confirms."""
        publishing, self._publishing = self._publishing, []
        for channel in publishing:
            channel.abandon()

    async def _close(self) -> None:
        connection, self._connection, self._channels = self._connection, None, []
        if connection is None:
            return
        try:
            async with asyncio.timeout(2 * CLOSE_SECONDS):
                # aiormq waits for the socket to accept its buffer, even when cancelled.
                abort = asyncio.get_running_loop().call_later(CLOSE_SECONDS, connection.abort)
                try:
                    await connection.close()
                finally:
                    abort.cancel()
        except (OSError, TimeoutError, aiormq.AMQPError, RuntimeError) as error:
            _log.debug("broker_link_close_failed", link=self._name, error=type(error).__qualname__)
        except asyncio.CancelledError:
            if is_cancelled():
                raise


def is_cancelled() -> bool:
    """Whether this task was cancelled. If not, aiormq raised CancelledError for a lost connection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def text(value: Any) -> str | None:
    """Decode a string: AMQP short strings are str, header values bytes or str."""
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes | bytearray) else str(value)
