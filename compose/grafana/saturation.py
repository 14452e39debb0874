"""How much of each process is used."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query

DASHBOARD: Final = Dashboard(
    "autograph-saturation",
    "Saturation",
    "How much of each process is used.",
    (
        Panel(
            "CPU",
            "Cores. A Python process has one: at 0.8 start another.",
            "none",
            (
                Query(
                    'sum by (service, instance) (rate(process_cpu_seconds_total{job="autograph"}[$__rate_interval]))',
                    "{{service}} {{instance}}",
                ),
            ),
            limit=0.8,
        ),
        Panel(
            "Event loop lag, p99",
            "How late what was due ran.",
            "s",
            (Query("autograph:loop_lag_seconds:p99_5m", "{{service}}"),),
            limit=0.25,
        ),
        Panel(
            "Memory",
            "Resident. About 100 MiB is usual.",
            "bytes",
            (Query('process_resident_memory_bytes{job="autograph"}', "{{service}} {{instance}}"),),
            limit=419430400,
        ),
        Panel(
            "Open files",
            "Of those allowed.",
            "percentunit",
            (
                Query(
                    'process_open_fds{job="autograph"} / process_max_fds{job="autograph"}', "{{service}} {{instance}}"
                ),
            ),
            limit=0.8,
        ),
        Panel(
            "Time to scrape",
            "A few milliseconds.",
            "s",
            (Query('scrape_duration_seconds{job="autograph"}', "{{service}} {{instance}}"),),
            limit=1,
        ),
        Panel(
            "Starts",
            "When each process began: a step is a restart.",
            "s",
            (Query('time() - process_start_time_seconds{job="autograph"}', "{{service}} {{instance}}"),),
        ),
    ),
)
