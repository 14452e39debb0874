"""What users do."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, Query, rate, slowest

DASHBOARD: Final = Dashboard(
    "autograph-business",
    "Business",
    "What users do.",
    (
        Panel("Diagrams", "Created, changed and deleted a second.", "ops",
              (Query(rate("diagram_service_diagrams_created_total"), "created"),
               Query(rate("diagram_service_diagrams_updated_total"), "changed"),
               Query(rate("diagram_service_diagrams_deleted_total"), "deleted"))),
        Panel("Sign-ins", "By result.", "ops",
              (Query(rate("auth_service_login_attempts_total", "result"), "{{result}}"),), stacked=True),
        Panel("Registrations", "By result.", "ops",
              (Query(rate("auth_service_registration_attempts_total", "result"), "{{result}}"),), stacked=True),
        Panel("Tokens issued", "By type.", "ops",
              (Query(rate("auth_service_tokens_issued_total", "token_type"), "{{token_type}}"),), stacked=True),
        Panel("Versions to archive", "Old enough for archiving, and still in PostgreSQL.", "short",
              (Query("max(diagram_service_archive_waiting)", "waiting"),)),
        Panel("Archived", "Versions moved to the object store, and failures.", "ops",
              (Query(rate("diagram_service_archived_versions_total"), "archived"),
               Query(rate("diagram_service_archive_failures_total", "reason"), "failed: {{reason}}"))),
        Panel("Object store", "Requests by operation.", "ops",
              (Query(rate("diagram_service_storage_operations_total", "operation"), "{{operation}}"),), stacked=True),
        Panel("Object store time, p95", "By operation.", "s",
              (Query(slowest("diagram_service_storage_operation_duration_seconds", "operation"), "{{operation}}"),)),
    ),
)  # fmt: skip
