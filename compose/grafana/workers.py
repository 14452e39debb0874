"""How each message is carried out."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query, rate, slowest
from contracts.catalogue import WORKERS

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
            tuple(
                Query(f"sum by (instance) ({worker}_service_active_connections)", f"{worker} {{{{instance}}}}")
                for worker in WORKERS
            ),
        ),
        *(
            Panel(
                f"{worker.capitalize()}: time to settlement, p95",
                "From taking a message to its acknowledgement.",
                "s",
                (Query(slowest(f"{worker}_service_request_duration_seconds", "message"), "{{message}}"),),
            )
            for worker in WORKERS
        ),
        *(
            Panel(
                f"{worker.capitalize()}: by outcome",
                "Of its messages.",
                "ops",
                (Query(rate(f"{worker}_service_requests_total", "outcome"), "{{outcome}}"),),
                stacked=True,
            )
            for worker in WORKERS
        ),
    ),
)
