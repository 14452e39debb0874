"""What users get: rate, errors, duration."""

from typing import Final

from compose.grafana.panels import FIRING, Dashboard, Panel, Query, rate, slowest

DASHBOARD: Final = Dashboard(
    "autograph-overview",
    "Overview",
    "What users see: rate, errors, duration. Start here.",
    (
        Panel(
            "Requests",
            "All requests to the API.",
            "reqps",
            (Query("sum(autograph:requests:rate5m)", "requests"),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Failed",
            "Share of responses with 5xx. The objective is 0.1 % in 30 days.",
            "percentunit",
            (Query("autograph:errors:ratio5m", "failed"),),
            kind="stat",
            width=4,
            limit=0.0144,
        ),
        Panel(
            "Slow",
            "Share of requests that take longer than half a second, without sign-ins. The objective is 1 %.",
            "percentunit",
            (Query("autograph:slow:ratio5m", "slow"),),
            kind="stat",
            width=4,
            limit=0.1,
        ),
        Panel(
            "Processes",
            "Processes that Prometheus can scrape.",
            "short",
            (Query('sum(up{job="autograph"})', "up"),),
            kind="stat",
            width=4,
        ),
        Panel(
            "Parked today",
            "Messages parked in 24 hours. Each waits for an operator's decision.",
            "short",
            (Query("sum(increase(autograph_parked_total[24h]))", "parked"),),
            kind="stat",
            width=4,
            limit=1,
        ),
        Panel(
            "Alerts",
            "Alerts that are firing.",
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
            "Median and 99th percentile.",
            "s",
            (
                Query("autograph:request_seconds:p50_5m", "p50"),
                Query("autograph:request_seconds:p99_5m", "p99"),
            ),
            limit=0.5,
        ),
        Panel(
            "Duration by path, p99",
            "Sign-in and registration include a third of a second for hashing the password.",
            "s",
            (
                Query(
                    f"topk(10, {slowest('api_gateway_request_duration_seconds', 'method', 'path', quantile=0.99)})",
                    "{{method}} {{path}}",
                ),
            ),
        ),
        Panel(
            "Requests in flight",
            "Requests in flight at each gateway.",
            "short",
            (Query("sum by (instance) (api_gateway_active_connections)", "{{instance}}"),),
        ),
        Panel(
            "Circuit breakers",
            "0 closed, 1 open, 2 tries again.",
            "none",
            (Query("max by (service) (api_gateway_circuit_breaker_state)", "{{service}}"),),
            limit=1,
        ),
        Panel(
            "Circuit breaker failures",
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
            "Rate limited",
            "Requests refused by a rate limit, by policy.",
            "ops",
            (Query(rate("api_gateway_rate_limit_exceeded_total", "key_type"), "{{key_type}}"),),
        ),
    ),
)
