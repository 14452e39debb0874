"""Moves old versions' content from PostgreSQL to the object store, and removes the objects of deleted diagrams.

A schedule, so one diagram worker does it at a time. Where a lease was lost two may meet at one version: they put the
same bytes under the same name, and only one of them changes the row. Each pass goes in an order of its own.
"""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from chassis.database import Database, classify
from chassis.failures import Failure
from chassis.jobs.job import Job
from chassis.jobs.runner import JobRun
from chassis.logging import logger
from chassis.objects import ObjectDamaged, ObjectStoreUnavailable
from workers.diagram.archive import storage
from workers.diagram.archive.objects import Archive
from workers.diagram.archive.storage import EPOCH, ArchivePosition, RowVersion

PAGE = 1_000  # rows per query, without their content
# An upper bound of the time between a deletion's timestamp (its transaction's start) and its commit.
MAX_COMMIT_DELAY = timedelta(minutes=5)
# How often all deletions in the inbox are processed again: an upload may have ended after the first clean-up.
FULL_CLEANUP_SECONDS = 86_400.0
# Passes after which the last one's gauge is no longer shown: another process has counted since.
SHOWN_PASSES = 3

_log = logger(__name__)


class ArchiveVersions(Job):
    name: ClassVar[str] = "archive_versions"


class ArchiverMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.archived = Counter(
            "diagram_service_archived_versions_total",
            "Versions whose content was moved to the object store.",
            registry=registry,
        )
        self.failures = Counter(
            "diagram_service_archive_failures_total",
            "Passes or versions that the archiver gave up, by reason.",
            ("reason",),
            registry=registry,
        )
        waiting = Gauge(
            "diagram_service_archive_waiting",
            "Versions that were old enough and still in Postgres when the last pass ended.",
            registry=registry,
        )
        waiting.set_function(lambda: self._waiting if time.monotonic() < self._shown_until else 0)
        self._waiting = 0
        self._shown_until = 0.0

    def show_waiting(self, count: int, *, for_seconds: float) -> None:
        self._waiting = count
        self._shown_until = time.monotonic() + for_seconds


class Archiver:
    def __init__(
        self,
        database: Database,
        archive: Archive,
        metrics: ArchiverMetrics,
        *,
        after_seconds: float,
        every_seconds: float,
        enabled: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._archive = archive
        self._metrics = metrics
        self._after = timedelta(seconds=after_seconds)
        self._every_seconds = every_seconds
        self._enabled = enabled
        self._clock = clock
        self._removed_up_to = EPOCH
        self._full_cleanup_at = float("-inf")

    async def run(self, _: ArchiveVersions, __: JobRun) -> None:
        """One pass. An outage delays it and loses nothing: content stays in its row, where it is found."""
        if not self._enabled:
            return
        try:
            await self.remove_deleted()
            await self.archive_old()
        except ObjectStoreUnavailable:
            self._metrics.failures.labels("object_store").inc()
            raise
        except Exception as error:
            self._metrics.failures.labels("bug" if classify(error) is Failure.BUG else "database").inc()
            raise

    async def archive_old(self) -> int:
        """One walk over all versions in rows; returns how many were moved. Raises ``ObjectStoreUnavailable``."""
        moved = waiting = 0
        away: ObjectStoreUnavailable | None = None
        position: ArchivePosition | None = None
        while True:
            async with self._database.connection() as connection:
                page = await storage.versions_in_rows(connection, after=position, older_than=self._after, limit=PAGE)
            past = [version for version in page if version.is_past]
            random.shuffle(past)
            for version in past:
                if away is not None:
                    waiting += 1  # still counted, so that the gauge shows how much an outage delays
                    continue
                try:
                    moved += await self._archive_version(version)
                except ObjectStoreUnavailable as error:
                    away = error
                    waiting += 1
                except ObjectDamaged as error:
                    _log.warning("version_not_archived", diagram=str(version.file_id), error=str(error))
                    self._metrics.failures.labels("damaged").inc()
                    waiting += 1
            if len(page) < PAGE:
                break
            position = page[-1].position
        self._metrics.show_waiting(waiting, for_seconds=SHOWN_PASSES * self._every_seconds)
        if away is not None:
            raise away
        return moved

    async def remove_deleted(self) -> int:
        """Removes the objects of permanently deleted diagrams; returns how many.

        Not while a backup runs: its snapshot may name them. Raises ``ObjectStoreUnavailable``.
        """
        began = self._clock()
        full_cleanup = began - self._full_cleanup_at >= FULL_CLEANUP_SECONDS
        async with self._database.connection() as connection:
            deleted = await storage.deleted_diagrams(connection, EPOCH if full_cleanup else self._removed_up_to)
            # Checked after reading the list: for a backup that begins now these diagrams are deleted.
            if await storage.backup_is_running(connection):
                return 0
        removed = 0
        for diagram_id, deleted_at in deleted:
            removed += await self._archive.remove_all(diagram_id)
            self._removed_up_to = max(self._removed_up_to, deleted_at - MAX_COMMIT_DELAY)
        if full_cleanup:
            self._full_cleanup_at = began
        return removed

    async def _archive_version(self, version: RowVersion) -> bool:
        """Clears the row's content only after it was read back from the store. False: it was archived or deleted."""
        file_id, number = version.file_id, version.number
        async with self._database.connection() as connection:
            content = await storage.content_in_row(connection, file_id, number)
        if content is None:
            return False
        archived = await self._archive.store(file_id, number, content)
        async with self._database.connection() as connection:
            if await storage.drop_content(connection, file_id, number, archived.key, archived.sha256):
                self._metrics.archived.inc()
                return True
            archived_by_another = await storage.object_key(connection, file_id, number) == archived.key
            # A backup's snapshot may name the object: then a later clean-up removes it.
            may_remove = not archived_by_another and not await storage.backup_is_running(connection)
        if may_remove:  # the diagram was deleted meanwhile
            await self._archive.remove(archived.key)
        return False
