"""The diagram worker's settings."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from chassis.settings import ObjectStoreSettings, Port
from chassis.worker import WorkerSettings
from contracts.services import entry


class DiagramSettings(WorkerSettings, ObjectStoreSettings):
    side_port: Port = entry("diagram").side_port
    archive_after_seconds: Annotated[float, Field(ge=0)] = 3600.0
    """How long the content of a version that is no longer the current one stays in PostgreSQL."""
    archive_every_seconds: Annotated[float, Field(gt=0)] = 300.0
    """The time between passes of the archiver, each of which walks over all versions that are not archived."""
    version_window_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """How long a version that a change with `checkpoint: auto` began takes its author's further ones; 0: none."""

    @property
    def version_window(self) -> timedelta:
        return timedelta(seconds=self.version_window_seconds)
