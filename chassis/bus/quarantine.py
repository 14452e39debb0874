"""Parks a message that kills or blocks its worker twice while it is handled alone (a poison message).

When a process dies or hangs, the broker redelivers all messages that it had in flight, and counts the same for each
(``x-delivery-count``): the one that killed it and the others. So each redelivered message is a suspect: it is handled
alone, under a mark that outlives the process. A mark without a live owner that is found a second time is the proof. One
death is not: it may have another cause, such as the kernel's out-of-memory killer.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from typing import Final, Protocol

from chassis import failpoints
from chassis.bus.ports import Delivery, NotHandled
from chassis.bus.settling import Deliver
from chassis.logging import logger

ISOLATION_SECONDS: Final = 10.0  # then other deliveries continue beside a suspect that is still handled
LIVE_MARK_SECONDS: Final = 15.0  # the owner of an older mark is dead or blocked
MARK_TTL_SECONDS: Final = 86_400.0
DRAIN_SECONDS: Final = 1.0  # new deliveries wait this long for those in flight
RETRY_SECONDS: Final = 1.0
REOPEN_SECONDS: Final = 4.0  # after a failed attempt to isolate: meanwhile new deliveries are handled

_log = logger(__name__)


class Mark(StrEnum):
    SET = "set"
    OWNED = "owned"  # another delivery of the same message has it, in a process that may be alive
    LEFT = "left"  # its owner died or was blocked, for the second time


class Marks(Protocol):
    """Methods raise ``Exception`` while their store is unavailable."""

    async def set(self, key: str) -> Mark: ...
    async def remove(self, key: str) -> None: ...


class Quarantine:
    """Wraps *deliver*. *give_up* parks a proven poison message; *ready* waits until its dependencies are available."""

    def __init__(
        self,
        deliver: Deliver,
        *,
        marks: Marks,
        give_up: Callable[[Delivery], Awaitable[None]],
        ready: Callable[[], Awaitable[None]],
        isolation_seconds: float = ISOLATION_SECONDS,
        live_mark_seconds: float = LIVE_MARK_SECONDS,
    ) -> None:
        self._deliver = deliver
        self._marks = marks
        self._give_up = give_up
        self._ready = ready
        self._alone_seconds = isolation_seconds
        self._live_mark_seconds = live_mark_seconds
        self._isolation = asyncio.Lock()  # one suspect at a time
        self._admitting = asyncio.Event()  # for deliveries that are no suspects
        self._admitting.set()
        self._in_flight_count = 0
        self._idle = asyncio.Event()  # while others are held: none of those in flight is left
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Suspects whose turn has not come raise ``NotHandled``: a mark holds for longer than a stop may take."""
        self._stopping.set()

    async def deliver(self, delivery: Delivery) -> None:
        if delivery.redelivered:
            await self._deliver_suspect(delivery)
            return
        while not self._admitting.is_set():
            await self._admitting.wait()
        self._in_flight_count += 1
        try:
            await self._deliver(delivery)
        finally:
            self._in_flight_count -= 1
            if not self._in_flight_count and not self._admitting.is_set():
                self._idle.set()

    async def _deliver_suspect(self, delivery: Delivery) -> None:
        key = _key(delivery)
        while True:
            await self._ready()
            async with self._isolation:
                if self._stopping.is_set():
                    raise NotHandled
                if not await self._isolate():
                    mark = None
                    await self._pause(REOPEN_SECONDS)
                else:
                    try:
                        mark = await self._mark(key)
                        if mark is Mark.SET:
                            await self._handle(delivery, key)
                            return
                    finally:
                        self._admitting.set()
            if mark is Mark.LEFT:
                _log.error("poison_message", queue=delivery.queue, bytes=len(delivery.body))
                await self._give_up(delivery)
                await self._unmark(key)
                return
            await self._pause(RETRY_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _isolate(self) -> bool:
        """Hold new deliveries and wait for those in flight. Give up if these take long, as in an outage."""
        self._admitting.clear()
        self._idle.clear()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                if self._in_flight_count:
                    await self._idle.wait()
        except TimeoutError:
            self._admitting.set()
            return False
        except BaseException:
            self._admitting.set()
            raise
        return True

    async def _mark(self, key: str) -> Mark:
        try:
            return await self._marks.set(key)
        except Exception as error:  # noqa: BLE001 - handle it without a mark rather than not at all
            _log.warning("suspect_not_marked", error=type(error).__qualname__)
            return Mark.SET

    async def _unmark(self, key: str) -> None:
        try:
            await self._marks.remove(key)
        except Exception as error:  # noqa: BLE001 - it matters only if the same message is redelivered within a day
            _log.warning("suspect_mark_left", error=type(error).__qualname__)

    async def _handle(self, delivery: Delivery, key: str) -> None:
        """The mark stays if the process dies, or if its event loop was blocked."""
        loop = asyncio.get_running_loop()
        began, cleared = loop.time(), asyncio.Event()

        async def clear_suspicion() -> None:
            """A process that gets here is neither dead nor blocked, only slow."""
            await asyncio.sleep(self._alone_seconds)
            if loop.time() - began < self._live_mark_seconds:
                cleared.set()
                self._admitting.set()
                await self._unmark(key)

        failpoints.SUSPECT.set(True)
        timer = asyncio.create_task(clear_suspicion(), name="quarantine")
        try:
            await self._deliver(delivery)
        finally:
            was_blocked = not cleared.is_set() and loop.time() - began >= self._live_mark_seconds
            timer.cancel()
            if was_blocked:
                _log.error("message_blocked_its_worker", queue=delivery.queue, seconds=round(loop.time() - began))
            else:
                await self._unmark(key)


def _key(delivery: Delivery) -> str:
    """The same for each delivery of one message. The body is not parsed: that may be what kills."""
    digest = hashlib.sha256(delivery.body)
    for part in (delivery.queue, delivery.user_id or "", delivery.routing_key, delivery.correlation_id or ""):
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()
