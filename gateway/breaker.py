"""Circuit breakers: requests to a worker that does not answer fail at once instead of waiting."""

import time
from collections.abc import Callable
from enum import IntEnum

from chassis.metrics import GatewayMetrics

FAILURES_TO_OPEN = 5  # failures in a row
PROBE_SECONDS = 2.0  # between the single requests that probe an open breaker


class BreakerState(IntEnum):
    """The numbers are the metric's."""

    CLOSED = 0
    OPEN = 1
    HALF_OPEN = 2


class Breaker:
    """Timeouts, nacks and returned messages are failures; any reply, also a refusal, closes the breaker."""

    def __init__(self, service: str, metrics: GatewayMetrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._gauge = metrics.breaker_state.labels(service)
        self._counter = metrics.breaker_failures.labels(service)
        self._failures = 0
        self._opened_at = 0.0
        self.state = BreakerState.CLOSED
        self._gauge.set(BreakerState.CLOSED)

    def allows(self) -> bool:
        """Whether a request may be sent. An open breaker lets one probe through per interval; its result decides."""
        if self.state is BreakerState.CLOSED:
            return True
        if self._clock() - self._opened_at < PROBE_SECONDS:
            return False
        # A probe that never ends (its request was dropped) is replaced by the next one.
        self._opened_at = self._clock()
        self._set(BreakerState.HALF_OPEN)
        return True

    @property
    def retry_after_seconds(self) -> int:
        return max(1, round(self._opened_at + PROBE_SECONDS - self._clock()))

    def record_success(self) -> None:
        self._failures = 0
        if self.state is not BreakerState.CLOSED:
            self._set(BreakerState.CLOSED)

    def record_failure(self) -> None:
        self._counter.inc()
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN or self._failures >= FAILURES_TO_OPEN:
            self._opened_at = self._clock()
            self._set(BreakerState.OPEN)

    def _set(self, state: BreakerState) -> None:
        self.state = state
        self._gauge.set(state)
