"""What each process says of itself, in Redis: for the status that administrators see.

A service's processes share the hash ``status:<service>``, to which only this service's Redis user may write. What a
process says is old after ``CURRENT_SECONDS``, by Redis's clock; it is a picture, and nothing is decided by it.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from prometheus_client import CollectorRegistry
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from chassis.health import Health, Status
from chassis.logging import logger
from chassis.redis import Call, Redis, RedisUnavailable, Script

ANNOUNCE_EVERY_SECONDS: Final = 5.0
CURRENT_SECONDS: Final = 20.0
_GONE_AFTER_MS: Final = 60_000
_ANNOUNCE: Final = Script.load("chassis", "announce.lua")
# Metrics of which a process says the value, and by what name: the sum over labels, or the maximum.
_SUMS: Final = {
    ("autograph_outbox_depth", ""): "outbox_depth",
    ("autograph_jobs", "queued"): "jobs_queued",
    ("autograph_jobs", "running"): "jobs_running",
    ("autograph_jobs", "failed"): "jobs_failed",
    ("diagram_service_archive_waiting", ""): "archive_waiting",
}
_MAXIMA: Final = {
    "autograph_outbox_oldest_seconds": "outbox_oldest_seconds",
    "autograph_jobs_overdue_seconds": "jobs_overdue_seconds",
}

_log: Final = logger(__name__)


class Announcement(BaseModel):
    """Unknown fields are ignored, so that two releases can run at the same time."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    release: str
    started_at: AwareDatetime
    state: Status
    checks: dict[str, bool]  # name → whether it succeeded when it last ran
    numbers: dict[str, float]


class Announcer:
    """Announces this process; call ``announce`` every ``ANNOUNCE_EVERY_SECONDS``."""

    def __init__(self, redis: Redis, service: str, release: str, health: Health, registry: CollectorRegistry) -> None:
        self._redis = redis
        self._key = _key(service)
        self._release = release
        self._health = health
        self._metrics = registry.restricted_registry([*{name for name, _ in _SUMS}, *_MAXIMA])
        self._id = uuid4().hex
        self._started_at = datetime.now(UTC)

    def current(self) -> Announcement:
        report = self._health.last_report()
        return Announcement(
            id=self._id,
            release=self._release,
            started_at=self._started_at,
            state=report.status,
            checks={name: result.ok for name, result in report.checks.items()},
            numbers=self._numbers(),
        )

    async def announce(self) -> None:
        """Never raises because of Redis: the next one comes soon."""
        try:
            await self._redis.run(_ANNOUNCE(self._key, self._id, to_json(self.current()), _GONE_AFTER_MS))
        except RedisUnavailable as error:
            _log.debug("announcement_failed", error=str(error))

    async def leave(self) -> None:
        try:
            await self._redis.run(Call(("HDEL", self._key, self._id)))
        except RedisUnavailable as error:
            _log.debug("announcement_failed", error=str(error))

    def _numbers(self) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for metric in self._metrics.collect():
            for sample in metric.samples:
                summed = _SUMS.get((sample.name, sample.labels.get("state", "")))
                if summed is not None:
                    numbers[summed] = numbers.get(summed, 0.0) + sample.value
                elif sample.name in _MAXIMA:
                    name = _MAXIMA[sample.name]
                    numbers[name] = max(numbers.get(name, 0.0), sample.value)
        return numbers


async def announced(redis: Redis, services: tuple[str, ...]) -> dict[str, list[Announcement]]:
    """What the processes of each service say, as far as it is new. Raises ``RedisUnavailable``."""
    (seconds, _), *hashes = await redis.run(Call(("TIME",)), *(Call(("HGETALL", _key(name))) for name in services))
    oldest_ms = (int(seconds) - CURRENT_SECONDS) * 1000
    return {
        name: [found for text in fields[1::2] if (found := _read(text, oldest_ms)) is not None]
        for name, fields in zip(services, hashes, strict=True)
    }


def _read(text: bytes, oldest_ms: float) -> Announcement | None:
    at, _, said = text.partition(b" ")
    try:
        return Announcement.model_validate_json(said) if int(at) >= oldest_ms else None
    except (ValueError, ValidationError):  # of a release whose form we do not know
        return None


def _key(service: str) -> str:
    return f"status:{service}"
