"""The handlers' dependencies."""

from dataclasses import dataclass
from datetime import timedelta

from chassis.database import Database
from chassis.unit_of_work import Ledger
from workers.diagram.archive.objects import Archive
from workers.diagram.diagrams.storage import DiagramRows
from workers.diagram.metrics import DiagramMetrics


@dataclass(frozen=True, slots=True)
class Tools:
    ledger: Ledger
    database: Database
    archive: Archive
    metrics: DiagramMetrics
    diagram_rows: DiagramRows
    version_window: timedelta = timedelta(minutes=5)
