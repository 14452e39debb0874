"""Metrics of diagrams and of the object store."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from chassis.metrics import SECONDS, RequestMetrics


class DiagramMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = RequestMetrics(registry, "diagram_service")
        self.created = Counter("diagram_service_diagrams_created_total", "Diagrams created.", registry=registry)
        self.updated = Counter("diagram_service_diagrams_updated_total", "Diagrams changed.", registry=registry)
        self.deleted = Counter(
            "diagram_service_diagrams_deleted_total",
            "Diagrams put in the trash or deleted for good.",
            registry=registry,
        )
        self.restored = Counter(
            "diagram_service_versions_restored_total", "Versions whose content was restored.", registry=registry
        )
        self.storage_operations = Counter(
            "diagram_service_storage_operations_total", "Object store requests.", ("operation",), registry=registry
        )
        self.storage_seconds = Histogram(
            "diagram_service_storage_operation_duration_seconds",
            "Time of an object store request.",
            ("operation",),
            buckets=SECONDS,
            registry=registry,
        )
