"""A gate before the handlers, closed while a dependency is down: no message burns its attempts on an outage."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger()


class Gate:
    """Open until ``close``; opens again when *probe* returns without raising. Probes every *interval_seconds*."""

    def __init__(self, probe: Callable[[], Awaitable[object]], *, interval_seconds: float = 0.5) -> None:
        self._probe = probe
        self._interval_seconds = interval_seconds
        self._open = asyncio.Event()
        self._open.set()
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def close(self) -> None:
        if self._open.is_set():
            _log.warning("dependency down, holding deliveries")
            self._open.clear()
            self._probing = asyncio.create_task(self._until_back(), name="gate")

    async def wait(self) -> None:
        await self._open.wait()

    async def _until_back(self) -> None:
        while True:
            try:
                async with asyncio.timeout(2):
                    await self._probe()
            except Exception as error:  # noqa: BLE001 - whatever it is, the dependency is not back
                _log.debug("dependency still down", error=type(error).__qualname__)
                await asyncio.sleep(self._interval_seconds)
            else:
                _log.info("dependency back")
                self._open.set()
                return
