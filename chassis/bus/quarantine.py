"""What kills or blocks its worker twice while it is handled alone is given up, and what was in hand beside it is not.

The broker brings again whatever a process had in hand when it died, or stopped answering: the culprit and bystanders
alike, and its count (``x-delivery-count``) is the same for all. So what comes again is a suspect: it is handled alone,
under a mark that outlives the process. A mark that is found without its owner a second time is a proof: one death may
be anybody's doing, such as the kernel's when memory runs out.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final, Protocol

from chassis import failpoints
from chassis.bus.ports import Delivery
from chassis.bus.settling import Deliver
from chassis.logging import logger

ISOLATION_SECONDS: Final = 10.0  # a process that still answers after that is not blocked: others go on beside it
LIVE_MARK_SECONDS: Final = 15.0  # a mark older than that has no owner that answers
MARK_TTL_SECONDS: Final = 86_400.0
DRAIN_SECONDS: Final = 1.0  # for which new deliveries wait until those in hand are done
RETRY_SECONDS: Final = 1.0
REOPEN_SECONDS: Final = 4.0  # after a try that failed: no suspect closes the door, so that new deliveries go on

_log = logger(__name__)


class Mark(StrEnum):
    SET = "set"
    OWNED = "owned"  # by another delivery of the same message, in a process that may still be at work
    LEFT = "left"  # by a process that died or was blocked, a second time


class Marks(Protocol):
    """Raises ``Exception`` while nothing can be marked."""

    async def set(self, key: str) -> Mark: ...
    async def remove(self, key: str) -> None: ...


class Quarantine:
    """Stands before *deliver*. *give_up* parks what is proven; *ready* returns when there is a point in trying."""

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
        self._turn = asyncio.Lock()  # one suspect at a time
        self._open = asyncio.Event()  # to all others
        self._open.set()
        self._others = 0
        self._nobody = asyncio.Event()
        self._nobody.set()

    async def deliver(self, delivery: Delivery) -> None:
        if delivery.redelivered:
            await self._deliver_suspect(delivery)
            return
        while not self._open.is_set():
            await self._open.wait()
        self._others += 1
        self._nobody.clear()
        try:
            await self._deliver(delivery)
        finally:
            self._others -= 1
            if not self._others:
                self._nobody.set()

    async def _deliver_suspect(self, delivery: Delivery) -> None:
        key = _key(delivery)
        while True:
            await self._ready()
            async with self._turn:
                if not await self._is_alone():
                    mark = None
                    await asyncio.sleep(REOPEN_SECONDS)
                else:
                    try:
                        mark = await self._mark(key)
                        if mark is Mark.SET:
                            await self._handle(delivery, key)
                            return
                    finally:
                        self._open.set()
            if mark is Mark.LEFT:
                _log.error("poison_message", queue=delivery.queue, bytes=len(delivery.body))
                await self._give_up(delivery)
                await self._unmark(key)
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _is_alone(self) -> bool:
        """Closes the door, and waits for those inside. Opens it again if they take long, as in an outage."""
        self._open.clear()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._nobody.wait()
        except TimeoutError:
            self._open.set()
            return False
        except BaseException:
            self._open.set()
            raise
        return True

    async def _mark(self, key: str) -> Mark:
        try:
            return await self._marks.set(key)
        except Exception as error:  # noqa: BLE001 - to be handled unmarked is better than not at all
            _log.warning("suspect_not_marked", error=type(error).__qualname__)
            return Mark.SET

    async def _unmark(self, key: str) -> None:
        try:
            await self._marks.remove(key)
        except Exception as error:  # noqa: BLE001 - it is read only if the same message comes again within a day
            _log.warning("suspect_mark_left", error=type(error).__qualname__)

    async def _handle(self, delivery: Delivery, key: str) -> None:
        """The mark stays if the process dies, or did not get to its own timer in time."""
        loop = asyncio.get_running_loop()
        began, acquitted = loop.time(), asyncio.Event()

        async def acquit() -> None:
            """Whoever still answers by then is neither dead nor blocked, only slow."""
            await asyncio.sleep(self._alone_seconds)
            if loop.time() - began < self._live_mark_seconds:
                acquitted.set()
                self._open.set()
                await self._unmark(key)

        failpoints.SUSPECT.set(True)
        timer = asyncio.create_task(acquit(), name="quarantine")
        try:
            await self._deliver(delivery)
        finally:
            was_blocked = not acquitted.is_set() and loop.time() - began >= self._live_mark_seconds
            timer.cancel()
            if was_blocked:
                _log.error("message_blocked_its_worker", queue=delivery.queue, seconds=round(loop.time() - began))
            else:
                await self._unmark(key)


def _key(delivery: Delivery) -> str:
    """The same for each delivery of one message, without reading it: that may be what kills."""
    digest = hashlib.sha256(delivery.body)
    for part in (delivery.queue, delivery.user_id or "", delivery.routing_key, delivery.correlation_id or ""):
        digest.update(b"\0" + part.encode())
    return digest.hexdigest()
