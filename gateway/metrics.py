"""The gateway's metrics."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.metrics import SECONDS


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
