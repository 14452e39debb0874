"""Whether this process lives, and whether it should be sent work."""

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
class Finding:
    ok: bool
    latency_seconds: float


@dataclass(frozen=True)
class Report:
    status: Status
    version: str
    checks: dict[str, Finding]

    @property
    def good(self) -> bool:
        return self.status in ("ok", "degraded")

    def as_json(self) -> dict[str, object]:
        return {
            "status": self.status,
            "version": self.version,
            "checks": {
                name: {
                    "status": "ok" if finding.ok else "failing",
                    "latency_ms": round(finding.latency_seconds * 1000, 2),
                }
                for name, finding in self.checks.items()
            },
        }


@dataclass
class _Check:
    probe: Probe
    timeout_seconds: float
    needed: bool
    vital: bool
    finding: Finding | None = None
    found_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Health:
    """Named checks, and the phase of the process' life.

    A *needed* check that fails takes readiness away; any other only degrades it. A *vital* one asks for a restart: it
    must look at nothing outside this process, or an outage elsewhere restarts every process of the system.
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
        """*probe* fails by raising, or by taking longer than *timeout_seconds*; what it returns does not matter."""
        if name in self._checks:
            raise ValueError(f"there is already a check named {name}")
        self._checks[name] = _Check(probe, timeout_seconds, needed, vital)

    def last_found(self) -> dict[str, bool]:
        """How each check last went; those that nobody has asked for yet are left out."""
        return {name: check.finding.ok for name, check in self._checks.items() if check.finding is not None}

    def serving(self) -> None:
        if self._phase == "starting":
            self._phase = "serving"

    def draining(self) -> None:
        self._phase = "draining"

    async def live(self) -> Report:
        checks = {name: check for name, check in self._checks.items() if check.vital}
        findings = await self._findings(checks)
        failing = any(not finding.ok for finding in findings.values())
        return Report("unavailable" if failing else "ok", self._version, findings)

    async def ready(self) -> Report:
        findings = await self._findings(self._checks)
        return Report(self._readiness(findings), self._version, findings)

    def _readiness(self, findings: dict[str, Finding]) -> Status:
        if self._phase != "serving":
            return self._phase
        failing = [self._checks[name] for name, finding in findings.items() if not finding.ok]
        if any(check.needed or check.vital for check in failing):
            return "unavailable"
        return "degraded" if failing else "ok"

    async def _findings(self, checks: dict[str, _Check]) -> dict[str, Finding]:
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._finding(name, check)) for name, check in checks.items()}
        return {name: task.result() for name, task in tasks.items()}

    async def _finding(self, name: str, check: _Check) -> Finding:
        # One probe at a time, its finding shared while fresh: however often one asks, a dependency is asked once.
        async with check.lock:
            if check.finding is None or self._clock() - check.found_at >= self._fresh_seconds:
                before = check.finding
                check.finding = await self._probe(name, check)
                check.found_at = self._clock()
                if not check.finding.ok and (before is None or before.ok):
                    log.warning("health check fails", check=name)
                elif check.finding.ok and before is not None and not before.ok:
                    log.info("health check recovered", check=name)
            return check.finding

    async def _probe(self, name: str, check: _Check) -> Finding:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(check.timeout_seconds):
                await check.probe()
        except asyncio.CancelledError:
            # aiormq fails what waits on a lost connection with CancelledError although nobody cancelled this task.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Finding(ok=False, latency_seconds=time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  # whatever a probe raises is its finding
            log.debug("health probe raised", check=name, error=repr(error))
            return Finding(ok=False, latency_seconds=time.perf_counter() - began)
        return Finding(ok=True, latency_seconds=time.perf_counter() - began)
