"""Metrics of sign-ins, registrations and the auth service's database statements."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from chassis.metrics import SECONDS, RequestMetrics


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
