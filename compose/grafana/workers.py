"""How each message is carried out."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query, rate, slowest

DASHBOARD: Final = Dashboard(
    "autograph-workers",
    "Workers",
    "How each message is carried out.",
    (
        Panel(
            "Carried out",
            "Messages settled a second.",
            "ops",
            (Query("topk(12, sum by (service, message) (autograph:deliveries:rate5m))", "{{service}} {{message}}"),),
            stacked=True,
        ),
        Panel(
            "Handler time, p95",
            "Of the handler alone, without waiting.",
            "s",
            (Query("autograph:handler_seconds:p95_5m", "{{service}} {{message}}"),),
        ),
        Panel(
            "Failed",
            "Ended by faults of ours, of all. Refusals are not counted.",
            "percentunit",
            (Query("autograph:deliveries_failed:ratio5m", "{{service}}"),),
            limit=0.01,
        ),
        Panel(
            "In hand",
            "Messages being carried out. Sixteen a queue at most.",
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
