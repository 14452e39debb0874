"""Utilisation of each process."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query

DASHBOARD: Final = Dashboard(
    "autograph-saturation",
    "Saturation",
    "Utilisation of each process.",
    (
        Panel(
            "CPU",
            "Cores in use. A Python process can use one: start another at 0.8.",
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
            "Delay of scheduled callbacks.",
            "s",
            (Query("autograph:loop_lag_seconds:p99_5m", "{{service}}"),),
            limit=0.25,
        ),
        Panel(
            "Memory",
            "Resident memory. About 100 MiB is normal.",
            "bytes",
            (Query('process_resident_memory_bytes{job="autograph"}', "{{service}} {{instance}}"),),
            limit=419430400,
        ),
        Panel(
            "Open files",
            "Share of the limit.",
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
            "A few milliseconds are normal.",
            "s",
            (Query('scrape_duration_seconds{job="autograph"}', "{{service}} {{instance}}"),),
            limit=1,
        ),
        Panel(
            "Starts",
            "Start time of each process: a step is a restart.",
            "s",
            (Query('time() - process_start_time_seconds{job="autograph"}', "{{service}} {{instance}}"),),
        ),
    ),
)
