"""SQL of the archiver."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis import advisory_locks
from chassis.database import Connection
from contracts.diagram.diagrams import DIAGRAM_CACHE, DeleteDiagram

ArchivePosition = tuple[datetime, UUID, int]  # of a version, in the order of archiving

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FIRST_POSITION: ArchivePosition = (EPOCH, UUID(int=0), 0)


@dataclass(frozen=True, slots=True)
class RowVersion:
    """A version whose content is still in its row."""

    file_id: UUID
    number: int
    created_at: datetime
    is_past: bool  # not the current version

    @property
    def position(self) -> ArchivePosition:
        return self.created_at, self.file_id, self.number


@dataclass(frozen=True, slots=True)
class Content:
    canvas_json: bytes | None  # in PostgreSQL's notation
    note: str | None


async def versions_in_rows(
    connection: Connection, *, after: ArchivePosition | None, older_than: timedelta, limit: int
) -> list[RowVersion]:
    """Versions with content in their row, oldest first; empty ones are left out."""
    records = await connection.fetch(_VERSIONS_IN_ROWS, *(after or _FIRST_POSITION), older_than, limit)
    return [RowVersion(**record) for record in records]


async def content_in_row(connection: Connection, file_id: UUID, number: int) -> Content | None:
    """None: it was archived or deleted meanwhile."""
    record = await connection.fetchrow(_CONTENT_IN_ROW, file_id, number)
    if record is None:
        return None
    canvas: str | None = record["canvas"]
    return Content(None if canvas is None else canvas.encode(), record["note_content"])


async def drop_content(connection: Connection, file_id: UUID, number: int, key: str, sha256: str) -> bool:
    """Replaces the row's content by the object's key. False: it was archived or deleted meanwhile."""
    return bool(await connection.fetchval(_DROP_CONTENT, file_id, number, key, sha256))


async def object_key(connection: Connection, file_id: UUID, number: int) -> str | None:
    key: str | None = await connection.fetchval(
        "SELECT object_key FROM versions WHERE file_id = $1 AND number = $2", file_id, number
    )
    return key


async def backup_is_running(connection: Connection) -> bool:
    """A running backup holds this advisory lock in shared mode."""
    return not await connection.fetchval(_NO_BACKUP_RUNNING)


async def deleted_diagrams(connection: Connection, since: datetime) -> list[tuple[UUID, datetime]]:
    """Permanently deleted diagrams with the time of deletion, oldest first, from the inbox (kept for ``OUTCOME_DAYS``).

    The inbox row is committed with the deletion, so a crash loses nothing. That a diagram is not in the database is no
    proof of its deletion: the database may have been restored, or be the wrong one.
    """
    records = await connection.fetch(_DELETED, DeleteDiagram.wire_name, since)
    return [
        (diagram_id, record["handled_at"])
        for record in records
        for name in record["invalidates"]
        if (diagram_id := DIAGRAM_CACHE.read(name)) is not None
    ]


# The index on created_at bounds this scan; a page is small enough for a check of each row.
_VERSIONS_IN_ROWS = """
    SELECT page.*, page.number < files.version AS is_past
    FROM (
        SELECT file_id, number, created_at FROM versions
        WHERE object_key IS NULL AND size_bytes > 0
            AND (created_at, file_id, number) > ($1::timestamptz, $2::uuid, $3::int)
            AND created_at < now() - $4::interval
        ORDER BY created_at, file_id, number LIMIT $5
    ) AS page
    JOIN files ON files.id = page.file_id
    ORDER BY created_at, file_id, number
"""

_CONTENT_IN_ROW = """
    SELECT canvas_data::text AS canvas, note_content FROM versions
    WHERE file_id = $1 AND number = $2 AND object_key IS NULL
"""

_DROP_CONTENT = """
    UPDATE versions SET canvas_data = NULL, note_content = NULL, object_key = $3, content_sha256 = $4
    WHERE file_id = $1 AND number = $2 AND object_key IS NULL
    RETURNING true
"""

_NO_BACKUP_RUNNING = f"SELECT pg_try_advisory_xact_lock({advisory_locks.of_table('versions')})"

_DELETED = """
    SELECT invalidates, handled_at FROM inbox
    WHERE type = $1 AND status = 'succeeded' AND handled_at >= $2
    ORDER BY handled_at
"""
