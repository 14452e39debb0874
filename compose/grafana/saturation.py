"""Utilisation of each process."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, PanelQuery

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
                PanelQuery(
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
            (PanelQuery("autograph:loop_lag_seconds:p99_5m", "{{service}}"),),
            limit=0.25,
        ),
        Panel(
            "Memory",
            "Resident memory. About 100 MiB is normal.",
            "bytes",
            (PanelQuery('process_resident_memory_bytes{job="autograph"}', "{{service}} {{instance}}"),),
            limit=419430400,
        ),
        Panel(
            "Open files",
            "Share of the limit.",
            "percentunit",
            (
                PanelQuery(
                    'process_open_fds{job="autograph"} / process_max_fds{job="autograph"}', "{{service}} {{instance}}"
                ),
            ),
            limit=0.8,
        ),
        Panel(
            "Time to scrape",
            "A few milliseconds are normal.",
            "s",
            (PanelQuery('scrape_duration_seconds{job="autograph"}', "{{service}} {{instance}}"),),
            limit=1,
        ),
        Panel(
            "Starts",
            "Start time of each process: a step is a restart.",
            "s",
            (PanelQuery('time() - process_start_time_seconds{job="autograph"}', "{{service}} {{instance}}"),),
        ),
    ),
)
