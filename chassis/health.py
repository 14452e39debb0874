"""Liveness and readiness of this process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from chassis.logging import logger

log: Final = logger(__name__)

Probe = Callable[[], Awaitable[object]]
Status = Literal["ok", "degraded", "unavailable", "starting", "draining"]


@dataclass(frozen=True)
class CheckResult:
    ok: bool
    latency_seconds: float


@dataclass(frozen=True)
class HealthReport:
    status: Status
    version: str
    checks: dict[str, CheckResult]

    @property
    def good(self) -> bool:
        return self.status in ("ok", "degraded")

    def as_json(self) -> dict[str, object]:
        return {
            "status": self.status,
            "version": self.version,
            "checks": {
                name: {
                    "status": "ok" if result.ok else "failing",
                    "latency_ms": round(result.latency_seconds * 1000, 2),
                }
                for name, result in self.checks.items()
            },
        }


@dataclass
class _Check:
    probe: Probe
    timeout_seconds: float
    needed: bool
    vital: bool
    result: CheckResult | None = None
    found_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Health:
    """Named checks, and the phase of the process: starting, serving, draining.

    If a *needed* check fails, the process is not ready; if another fails, it is degraded. If a *vital* check fails, the
    process is not live and is restarted: such a check must test nothing outside this process, or an outage elsewhere
    restarts every process of the system.
    """

    def __init__(
        self, version: str, *, fresh_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._version = version
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._checks: dict[str, _Check] = {}
        self._phase: Literal["starting", "serving", "draining"] = "starting"

    def check(
        self, name: str, probe: Probe, *, needed: bool = True, vital: bool = False, timeout_seconds: float = 1.0
    ) -> None:
        """*probe* fails by raising, or by taking longer than *timeout_seconds*. Its result is ignored."""
        if name in self._checks:
            raise ValueError(f"there is already a check named {name}")
        self._checks[name] = _Check(probe, timeout_seconds, needed, vital)

    def last_results(self) -> dict[str, bool]:
        """Whether each check succeeded when it last ran. A check that never ran is left out."""
        return {name: check.result.ok for name, check in self._checks.items() if check.result is not None}

    def last_report(self) -> HealthReport:
        """What ``ready`` would say if no check were run: as each was found when it last ran."""
        results = {name: check.result for name, check in self._checks.items() if check.result is not None}
        return HealthReport(self._readiness(results), self._version, results)

    def serving(self) -> None:
        if self._phase == "starting":
            self._phase = "serving"

    def draining(self) -> None:
        self._phase = "draining"

    async def live(self) -> HealthReport:
        checks = {name: check for name, check in self._checks.items() if check.vital}
        results = await self._check_all(checks)
        failing = any(not result.ok for result in results.values())
        return HealthReport("unavailable" if failing else "ok", self._version, results)

    async def ready(self) -> HealthReport:
        results = await self._check_all(self._checks)
        return HealthReport(self._readiness(results), self._version, results)

    def _readiness(self, results: dict[str, CheckResult]) -> Status:
        if self._phase != "serving":
            return self._phase
        failing = [self._checks[name] for name, result in results.items() if not result.ok]
        if any(check.needed or check.vital for check in failing):
            return "unavailable"
        return "degraded" if failing else "ok"

    async def _check_all(self, checks: dict[str, _Check]) -> dict[str, CheckResult]:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._check_one(name, check)) for name, check in checks.items()}
        return {name: task.result() for name, task in tasks.items()}

    async def _check_one(self, name: str, check: _Check) -> CheckResult:
        # One probe at a time, its finding shared while fresh: however often one asks, a dependency is asked once.
        async with check.lock:
            if check.result is None or self._clock() - check.found_at >= self._fresh_seconds:
                before = check.result
                check.result = await self._probe(name, check)
                check.found_at = self._clock()
                if not check.result.ok and (before is None or before.ok):
                    log.warning("health_check_failed", check=name)
                elif check.result.ok and before is not None and not before.ok:
                    log.info("health_check_recovered", check=name)
            return check.result

    async def _probe(self, name: str, check: _Check) -> CheckResult:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(check.timeout_seconds):
                await check.probe()
        except asyncio.CancelledError:
            # On a lost connection aiormq raises CancelledError in its callers, although nothing cancelled this task.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return CheckResult(ok=False, latency_seconds=time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  # whatever a probe raises is its finding
            log.debug("health_probe_failed", check=name, error=repr(error))
            return CheckResult(ok=False, latency_seconds=time.perf_counter() - began)
        return CheckResult(ok=True, latency_seconds=time.perf_counter() - began)
