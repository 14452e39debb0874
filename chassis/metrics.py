"""All metrics of all services. Each process has one registry; dashboards rely on the names."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from time import perf_counter
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.exposition import Registry

# From one Redis round trip to the longest deadline that an HTTP client is given.
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# A message may have waited in a queue during an outage, or on the retry ladder.
QUEUE_SECONDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0)


def process_registry(service: str, version: str) -> Registry:
    """The registry of this process, with the metrics that every process has.

    Turns the client's ``*_created`` series off: they double the size of a scrape, and no dashboard reads them.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs is not annotated
    registry = Registry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Gauge("autograph_build_info", "What runs here.", ("service", "version"), registry=registry)
    build.labels(service, version).set(1)
    return registry


class LoopMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag = Histogram(
            "autograph_event_loop_lag_seconds",
            "How late the event loop ran what was due.",
            buckets=SECONDS,
            registry=registry,
        )

    @staticmethod
    def unhandled(registry: CollectorRegistry) -> Counter:
        return Counter(
            "autograph_unhandled_exceptions_total",
            "Exceptions that nobody handled and the event loop reported: each is a bug.",
            registry=registry,
        )


class RequestMetrics:
    """A worker's requests are messages. Names begin with the service, as ``auth_service``.

    Here and below ``labels`` is cached, as finding a series takes twice as long as incrementing it.
    """

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self.requests = cache(
            Counter(
                f"{service}_requests_total", "Messages by outcome.", ("message", "outcome"), registry=registry
            ).labels
        )
        self.duration = cache(
            Histogram(
                f"{service}_request_duration_seconds",
                "Time from taking a message to its settlement.",
                ("message",),
                buckets=SECONDS,
                registry=registry,
            ).labels
        )
        self.in_flight = 0
        active = Gauge(f"{service}_active_connections", "Messages in hand.", registry=registry)
        active.set_function(lambda: self.in_flight)


class _InFlight:
    __slots__ = ("_began", "_message", "_requests")

    def __init__(self, requests: RequestMetrics, message: str) -> None:
        self._requests = requests
        self._message = message

    def __enter__(self) -> None:
        self._began = perf_counter()
        self._requests.in_flight += 1

    def __exit__(self, *_: object) -> None:
        self._requests.in_flight -= 1
        self._requests.duration(self._message).observe(perf_counter() - self._began)


class BusMetrics:
    """Metrics of the bus. The same calls also update a worker's request metrics."""

    def __init__(self, registry: CollectorRegistry, requests: RequestMetrics | None = None) -> None:
        self._requests = requests
        self._deliveries = cache(
            Counter(
                "autograph_deliveries_total",
                "Deliveries by outcome: done, refused, retried, parked, expired, duplicate.",
                ("message", "outcome"),
                registry=registry,
            ).labels
        )
        self.handler_seconds = cache(
            Histogram(
                "autograph_handler_seconds",
                "Time in a message's handler.",
                ("message",),
                buckets=SECONDS,
                registry=registry,
            ).labels
        )
        self._queue_wait = cache(
            Histogram(
                "autograph_queue_wait_seconds",
                "Time from a message's making to its delivery.",
                ("message",),
                buckets=QUEUE_SECONDS,
                registry=registry,
            ).labels
        )
        self._retries = Counter(
            "autograph_retries_total", "Copies put on a retry rung.", ("message", "rung"), registry=registry
        )
        self._parked = Counter(
            "autograph_parked_total",
            "Messages given up, for a person to decide.",
            ("message", "reason"),
            registry=registry,
        )
        self.outbox_depth = Gauge(
            "autograph_outbox_depth", "Events committed and not yet published.", registry=registry
        )
        self.outbox_oldest = Gauge(
            "autograph_outbox_oldest_seconds", "Age of the oldest event not yet published.", registry=registry
        )
        self.consumers = Gauge(
            "autograph_consumers", "Consumers registered by this process.", ("queue",), registry=registry
        )

    def delivery(self, message: str) -> AbstractContextManager[None]:
        """Count a message as in flight until its settlement, and measure that time."""
        return nullcontext() if self._requests is None else _InFlight(self._requests, message)

    def settled(self, message: str, outcome: str) -> None:
        self._deliveries(message, outcome).inc()
        if self._requests is not None:
            self._requests.requests(message, outcome).inc()

    def waited(self, message: str, seconds: float) -> None:
        """A negative time, from machines whose clocks differ, counts as 0."""
        self._queue_wait(message).observe(max(0.0, seconds))

    def retried(self, message: str, rung: str) -> None:
        self._retries.labels(message, rung).inc()

    def parked(self, message: str, reason: str) -> None:
        self._parked.labels(message, reason).inc()


class PoolMetrics(Collector):
    """Reads the connections of each pool by state at each scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pools: dict[str, Callable[[], Mapping[str, int]]] = {}
        registry.register(self)

    def watch(self, pool: str, states: Callable[[], Mapping[str, int]]) -> None:
        """*states* returns connections by state, as ``{"idle": 8, "used": 2}``. It must be fast and must not raise."""
        self._pools[pool] = states

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for pool, states in self._pools.items():
            for state, count in states().items():
                family.add_metric((pool, state), count)
        return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "autograph_pool_connections", "Connections by pool and state.", labels=("pool", "state")
        )


class HealthMetrics(Collector):
    """The last result of each health check, for alerts on checks that do not affect readiness."""

    def __init__(self, registry: CollectorRegistry, last_results: Callable[[], Mapping[str, bool]]) -> None:
        self._last_found = last_results
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        family = self._family()
        for check, ok in self._last_found().items():
            family.add_metric((check,), int(ok))
        return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "autograph_health_check_ok", "1 if the health check last went well, else 0.", labels=("check",)
        )


class GatewayMetrics:
    """``path`` is the template of a route: a label with an id would make a series for each diagram."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = cache(
            Counter(
                "api_gateway_requests_total", "Requests answered.", ("method", "path", "status"), registry=registry
            ).labels
        )
        self.duration = cache(
            Histogram(
                "api_gateway_request_duration_seconds",
                "Time from a request's head to its answer.",
                ("method", "path"),
                buckets=SECONDS,
                registry=registry,
            ).labels
        )
        self.active = Gauge("api_gateway_active_connections", "Requests being answered.", registry=registry)
        self.breaker_state = Gauge(
            "api_gateway_circuit_breaker_state", "0 closed, 1 open, 2 half-open.", ("service",), registry=registry
        )
        self.breaker_failures = Counter(
            "api_gateway_circuit_breaker_failures_total",
            "Timeouts, nacks and returns that count against a worker.",
            ("service",),
            registry=registry,
        )
        self.redis_connections = Gauge(
            "api_gateway_redis_connections", "Connections of the Redis pool.", registry=registry
        )
        self.rate_limited = Counter(
            "api_gateway_rate_limit_exceeded_total", "Requests refused by a limit.", ("key_type",), registry=registry
        )
        self.forwarded_not_understood = Counter(
            "api_gateway_forwarded_not_understood_total",
            "Requests whose client was taken for the proxy, since what it forwards is not understood.",
            registry=registry,
        )


class AuthMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = RequestMetrics(registry, "auth_service")
        self.logins = Counter(
            "auth_service_login_attempts_total", "Sign-ins by result.", ("result",), registry=registry
        )
        self.registrations = Counter(
            "auth_service_registration_attempts_total", "Registrations by result.", ("result",), registry=registry
        )
        self.tokens = Counter(
            "auth_service_tokens_issued_total", "Tokens issued by type.", ("token_type",), registry=registry
        )
        self.queries = Counter(
            "auth_service_database_queries_total",
            "Database statements by operation.",
            ("operation",),
            registry=registry,
        )
        self.query_seconds = Histogram(
            "auth_service_database_query_duration_seconds",
            "Time of a database statement.",
            ("operation",),
            buckets=SECONDS,
            registry=registry,
        )


class DiagramMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = RequestMetrics(registry, "diagram_service")
        self.created = Counter("diagram_service_diagrams_created_total", "Diagrams created.", registry=registry)
        self.updated = Counter("diagram_service_diagrams_updated_total", "Diagrams changed.", registry=registry)
        self.deleted = Counter(
            "diagram_service_diagrams_deleted_total",
            "Diagrams put in the trash or deleted for good.",
            registry=registry,
        )
        self.storage_operations = Counter(
            "diagram_service_storage_operations_total", "Object store requests.", ("operation",), registry=registry
        )
        self.storage_seconds = Histogram(
            "diagram_service_storage_operation_duration_seconds",
            "Time of an object store request.",
            ("operation",),
            buckets=SECONDS,
            registry=registry,
        )
