"""How the workers process messages."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query, rate, slowest

DASHBOARD: Final = Dashboard(
    "autograph-workers",
    "Workers",
    "How the workers process messages.",
    (
        Panel(
            "Processed",
            "Messages settled per second.",
            "ops",
            (Query("topk(12, sum by (service, message) (autograph:deliveries:rate5m))", "{{service}} {{message}}"),),
            stacked=True,
        ),
        Panel(
            "Handler time, p95",
            "Time in the handler, without waiting.",
            "s",
            (Query("autograph:handler_seconds:p95_5m", "{{service}} {{message}}"),),
        ),
        Panel(
            "Failed",
            "Share of messages that failed. Refusals are not counted.",
            "percentunit",
            (Query("autograph:deliveries_failed:ratio5m", "{{service}}"),),
            limit=0.01,
        ),
        Panel(
            "In flight",
            "Messages being processed. At most sixteen per queue.",
            "short",
            (
                Query("sum by (instance) (auth_service_active_connections)", "auth {{instance}}"),
                Query("sum by (instance) (diagram_service_active_connections)", "diagram {{instance}}"),
            ),
        ),
        Panel(
            "Auth: time to settlement, p95",
            "From taking a message to its acknowledgement.",
            "s",
            (
                Query(
                    slowest("auth_service_request_duration_seconds", "message"),
                    "{{message}}",
                ),
            ),
        ),
        Panel(
            "Diagram: time to settlement, p95",
            "From taking a message to its acknowledgement.",
            "s",
            (
                Query(
                    slowest("diagram_service_request_duration_seconds", "message"),
                    "{{message}}",
                ),
            ),
        ),
        Panel(
            "Auth: by outcome",
            "Of its messages.",
            "ops",
            (Query(rate("auth_service_requests_total", "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
        Panel(
            "Diagram: by outcome",
            "Of its messages.",
            "ops",
            (Query(rate("diagram_service_requests_total", "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
    ),
)
