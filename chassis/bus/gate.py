"""A gate before the handlers that is closed while a dependency is down, so that an outage costs no attempts."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.logging import logger

_log = logger(__name__)


class Gate:
    """Open until ``close``; opens again when *probe* returns without raising. Probes every *interval_seconds*.

    A dependency may answer the probe and still refuse the work (a full disk). A gate that is closed again within
    *interval_seconds* of opening therefore waits that long before its first probe.
    """

    def __init__(self, probe: Callable[[], Awaitable[object]], *, interval_seconds: float = 0.5) -> None:
        self._probe = probe
        self._interval_seconds = interval_seconds
        self._open = asyncio.Event()
        self._open.set()
        self._probing: asyncio.Task[None] | None = None
        self._opened_at = float("-inf")

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def close(self) -> None:
        if self._open.is_set():
            _log.warning("dependency_down")
            self._open.clear()
            was_open_seconds = asyncio.get_running_loop().time() - self._opened_at
            pause_seconds = self._interval_seconds if was_open_seconds < self._interval_seconds else 0
            self._probing = asyncio.create_task(self._until_back(pause_seconds), name="gate")

    async def wait(self) -> None:
        await self._open.wait()

    async def _until_back(self, pause_seconds: float) -> None:
        await asyncio.sleep(pause_seconds)
        while True:
            try:
                async with asyncio.timeout(2):
                    await self._probe()
            except Exception as error:  # noqa: BLE001 - any error means that the dependency is still down
                _log.debug("dependency_still_down", error=type(error).__qualname__)
                await asyncio.sleep(self._interval_seconds)
            else:
                _log.info("dependency_recovered")
                self._opened_at = asyncio.get_running_loop().time()
                self._open.set()
                return
