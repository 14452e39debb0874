"""What a service tells of its jobs."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.jobs.storage import Count

# From a statement to a call of a language model, and what walks over a whole table.
SECONDS: Final = (0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
ATTEMPTS: Final = (1, 2, 3, 5, 10, 20)


class JobMetrics:
    """The gauges are of the whole service: each of its processes tells the same. ``kind`` is a job's name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Gauge(
            "autograph_jobs", "Jobs by state: queued, running, failed.", ("kind", "state"), registry=registry
        )
        self._overdue = Gauge(
            "autograph_jobs_overdue_seconds",
            "For how long the oldest job has been due that nobody runs.",
            ("kind",),
            registry=registry,
        )
        self.runs = Counter(
            "autograph_job_runs_total",
            "Runs by outcome: succeeded, snoozed, retried, failed, cancelled, lease_lost, released.",
            ("kind", "outcome"),
            registry=registry,
        )
        self.seconds = Histogram(
            "autograph_job_seconds", "Time of a run.", ("kind",), buckets=SECONDS, registry=registry
        )
        self.attempts = Histogram(
            "autograph_job_attempts",
            "Attempts that a job took until it succeeded or failed.",
            ("kind",),
            buckets=ATTEMPTS,
            registry=registry,
        )
        self._seen: set[str] = set()

    def show(self, counts: Iterable[Count]) -> None:
        """A kind of job of which no row is left is shown as zeros."""
        found = {count.name: count for count in counts}
        self._seen |= found.keys()
        for name in self._seen:
            count = found.get(name, Count(name, 0, 0, 0, 0.0))
            self._jobs.labels(name, "queued").set(count.queued)
            self._jobs.labels(name, "running").set(count.running)
            self._jobs.labels(name, "failed").set(count.failed)
            self._overdue.labels(name).set(count.overdue_seconds)
