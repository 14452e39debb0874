"""How the workers process messages."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query, rate, slowest
from contracts.catalogue import WORKERS

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
        Panel(
            "Jobs waiting",
            "Queued or running. Each process of a service reports the same number.",
            "short",
            (
                Query(
                    'sum by (service, kind) (max by (service, kind, state) (autograph_jobs{state!="failed"}))',
                    "{{service}} {{kind}}",
                ),
            ),
        ),
        Panel(
            "Jobs overdue",
            "How long the oldest due job has waited for a process to run it.",
            "s",
            (Query("max by (service, kind) (autograph_jobs_overdue_seconds)", "{{service}} {{kind}}"),),
            limit=300,
        ),
        Panel(
            "Jobs by outcome",
            "Runs per second.",
            "ops",
            (Query(rate("autograph_job_runs_total", "kind", "outcome"), "{{kind}} {{outcome}}"),),
            stacked=True,
        ),
    ),
)
