"""What users do."""

from typing import Final

from compose.grafana.panels import Dashboard, Panel, PanelQuery, rate, slowest

DASHBOARD: Final = Dashboard(
    "autograph-business",
    "Business",
    "What users do.",
    (
        Panel("Diagrams", "Created, changed and deleted a second.", "ops",
              (PanelQuery(rate("diagram_service_diagrams_created_total"), "created"),
               PanelQuery(rate("diagram_service_diagrams_updated_total"), "changed"),
               PanelQuery(rate("diagram_service_diagrams_deleted_total"), "deleted"))),
        Panel("Sign-ins", "By result.", "ops",
              (PanelQuery(rate("auth_service_login_attempts_total", "result"), "{{result}}"),), stacked=True),
        Panel("Registrations", "By result.", "ops",
              (PanelQuery(rate("auth_service_registration_attempts_total", "result"), "{{result}}"),), stacked=True),
        Panel("Tokens issued", "By type.", "ops",
              (PanelQuery(rate("auth_service_tokens_issued_total", "token_type"), "{{token_type}}"),), stacked=True),
        Panel("Versions to archive", "Old enough for archiving, and still in PostgreSQL.", "short",
              (PanelQuery("max(diagram_service_archive_waiting)", "waiting"),)),
        Panel("Archived", "Versions moved to the object store, and failures.", "ops",
              (PanelQuery(rate("diagram_service_archived_versions_total"), "archived"),
               PanelQuery(rate("diagram_service_archive_failures_total", "reason"), "failed: {{reason}}"))),
        Panel("Object store", "Requests by operation.", "ops",
              (PanelQuery(rate("diagram_service_storage_operations_total", "operation"), "{{operation}}"),), stacked=True),
        Panel("Object store time, p95", "By operation.", "s",
              (PanelQuery(slowest("diagram_service_storage_operation_duration_seconds", "operation"), "{{operation}}"),)),
    ),
)  # fmt: skip
