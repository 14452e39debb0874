"""The database and Redis, as our processes see them."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query, rate, slowest

DASHBOARD: Final = Dashboard(
    "autograph-postgres",
    "PostgreSQL and pools",
    "The database and Redis as seen by the services.",
    (
        Panel(
            "PostgreSQL connections",
            "By state. Near the maximum with some waiting: the pool is too small, or statements are slow.",
            "short",
            (Query('sum by (service, state) (autograph_pool_connections{pool="postgres"})', "{{service}} {{state}}"),),
        ),
        Panel(
            "Waiting for a connection",
            "Tasks waiting for a connection. More than 0 for minutes: the pool is too small.",
            "short",
            (
                Query(
                    'sum by (service, instance, pool) (autograph_pool_connections{state="waiting"})',
                    "{{service}} {{pool}} {{instance}}",
                ),
            ),
            limit=1,
        ),
        Panel(
            "Auth: statements",
            "By operation.",
            "ops",
            (Query(rate("auth_service_database_queries_total", "operation"), "{{operation}}"),),
            stacked=True,
        ),
        Panel(
            "Auth: statement time, p95",
            "By operation.",
            "s",
            (
                Query(
                    slowest("auth_service_database_query_duration_seconds", "operation"),
                    "{{operation}}",
                ),
            ),
        ),
        Panel(
            "Redis connections",
            "Connections of gateways and workers.",
            "short",
            (
                Query("sum by (instance) (api_gateway_redis_connections)", "gateway {{instance}}"),
                Query('sum by (service, state) (autograph_pool_connections{pool="redis"})', "{{service}} {{state}}"),
            ),
        ),
        Panel(
            "Dependencies",
            "Results of each process' health checks: 1 is healthy.",
            "none",
            (Query("min by (service, check) (autograph_health_check_ok)", "{{service}} {{check}}"),),
        ),
    ),
)
