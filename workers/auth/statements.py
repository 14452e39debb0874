"""What each of the worker's storages is: a method for a statement, with metrics under the method's name."""

from collections.abc import Iterator
from contextlib import contextmanager

from workers.auth.metrics import AuthMetrics


class TimedStatements:
    def __init__(self, metrics: AuthMetrics) -> None:
        self._metrics = metrics

    @contextmanager
    def timed(self, operation: str) -> Iterator[None]:
        self._metrics.queries.labels(operation).inc()
        with self._metrics.query_seconds.labels(operation).time():
            yield
