"""What users get: rate, errors, duration."""

from typing import Final

from compose.grafana.panels import FIRING, Dashboard, Panel, Query, rate, slowest

DASHBOARD: Final = Dashboard(
    "autograph-overview",
    "Overview",
    "What users get: rate, errors, duration. Begin here.",
    (
        Panel(
            "Requests",
            "All that the API answers.",
            "reqps",
            (Query("sum(autograph:requests:rate5m)", "requests"),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Failed",
            "Answered with 5xx, of all. The objective is 0.1 % in 30 days.",
            "percentunit",
            (Query("autograph:errors:ratio5m", "failed"),),
            kind="stat",
            width=4,
            limit=0.0144,
        ),
        Panel(
            "Slow",
            "Longer than half a second, sign-ins aside. The objective is 1 %.",
            "percentunit",
            (Query("autograph:slow:ratio5m", "slow"),),
            kind="stat",
            width=4,
            limit=0.1,
        ),
        Panel(
            "Processes",
            "That answer Prometheus.",
            "short",
            (Query('sum(up{job="autograph"})', "up"),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Parked today",
            "Messages that were given up in 24 hours. Each waits for a person.",
            "short",
            (Query("sum(increase(autograph_parked_total[24h]))", "parked"),),
            kind="stat",
            width=4,
            limit=1,
        ),
        Panel(
            "Alerts",
            "That fire now.",
            "short",
            (
                Query(
                    f"count({FIRING}) or vector(0)",
                    "alerts",
                ),
            ),
            kind="stat",
            width=4,
            limit=1,
        ),
        Panel(
            "Requests by status",
            "5xx are ours, 4xx the callers'; 429 are limits.",
            "reqps",
            (Query(rate("api_gateway_requests_total", "status"), "{{status}}"),),
            stacked=True,
        ),
        Panel(
            "Requests by path",
            "Where the load comes from.",
            "reqps",
            (Query("topk(10, sum by (method, path) (autograph:requests:rate5m))", "{{method}} {{path}}"),),
            stacked=True,
        ),
        Panel(
            "Duration",
            "Half of all, and all but one in a hundred.",
            "s",
            (Query("autograph:request_seconds:p50_5m", "p50"), Query("autograph:request_seconds:p99_5m", "p99")),
            limit=0.5,
        ),
        Panel(
            "Duration by path, p99",
            "Sign-in and registration hash a password: a third of a second is theirs.",
            "s",
            (
                Query(
                    f"topk(10, {slowest('api_gateway_request_duration_seconds', 'method', 'path', quantile=0.99)})",
                    "{{method}} {{path}}",
                ),
            ),
        ),
        Panel(
            "Being answered",
            "Requests in hand at each gateway.",
            "short",
            (Query("sum by (instance) (api_gateway_active_connections)", "{{instance}}"),),
        ),
        Panel(
            "Breakers",
            "0 closed, 1 open, 2 tries again.",
            "none",
            (Query("max by (service) (api_gateway_circuit_breaker_state)", "{{service}}"),),
            limit=1,
        ),
        Panel(
            "Failures that breakers count",
            "Timeouts, nacks and returns. Five in a row open a breaker.",
            "ops",
            (
                Query(
                    rate("api_gateway_circuit_breaker_failures_total", "service"),
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Limited",
            "Requests that a limit refused, by what was limited.",
            "ops",
            (Query(rate("api_gateway_rate_limit_exceeded_total", "key_type"), "{{key_type}}"),),
        ),
    ),
)
