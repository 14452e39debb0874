"""The handlers' dependencies."""

from dataclasses import dataclass

from chassis.database import Database
from chassis.metrics import DiagramMetrics
from chassis.unit_of_work import Ledger
from workers.diagram.archive.objects import Archive
from workers.diagram.diagrams.storage import DiagramRows


@dataclass(frozen=True, slots=True)
class Tools:
    ledger: Ledger
    database: Database
    archive: Archive
    metrics: DiagramMetrics
    diagram_rows: DiagramRows
