"""What a process does again and again for itself: each loop with its failures counted, logged and shown."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.failures import error_location
from chassis.logging import logger

UNHEALTHY_FAILURES: Final = 3  # in a row

log = logger(__name__)


class Loops:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._failures: dict[str, int] = {}  # in a row, by name
        self._runs = Counter(
            "autograph_loop_runs_total",
            "Passes of a loop of this process by outcome: done, failed.",
            ("loop", "outcome"),
            registry=registry,
        )
        self._last_done = Gauge(
            "autograph_loop_last_done_timestamp_seconds",
            "When a pass of the loop last came to its end.",
            ("loop",),
            registry=registry,
        )

    async def run(
        self,
        seconds: float,
        function: Callable[[], Awaitable[object]],
        *,
        name: str,
        retry_seconds: float | None = None,
        at_once: bool = True,
    ) -> NoReturn:
        self._failures[name] = 0
        if not at_once:
            await asyncio.sleep(seconds)
        while True:
            done = await self._pass(function, name)
            await asyncio.sleep(seconds if done or retry_seconds is None else retry_seconds)

    async def check(self) -> None:
        """For health: raises ``RuntimeError`` while a loop fails each time."""
        failing = sorted(name for name, failures in self._failures.items() if failures >= UNHEALTHY_FAILURES)
        if failing:
            raise RuntimeError(f"failing: {', '.join(failing)}")

    async def _pass(self, function: Callable[[], Awaitable[object]], name: str) -> bool:
        try:
            await function()
        except asyncio.CancelledError:
            # aiormq fails what waits on a lost connection with CancelledError although nobody cancelled this task.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._failed(name, "CancelledError")
            return False
        except Exception as error:  # noqa: BLE001 - an outage must not end the loop
            self._failed(name, error_location(error))
            return False
        if self._failures[name]:
            log.info("loop_recovered", loop=name, failures=self._failures[name])
        self._failures[name] = 0
        self._runs.labels(name, "done").inc()
        self._last_done.labels(name).set(time.time())
        return True

    def _failed(self, name: str, error: str) -> None:
        self._failures[name] += 1
        self._runs.labels(name, "failed").inc()
        if self._failures[name] == 1:
            log.warning("loop_failed", loop=name, error=error)
