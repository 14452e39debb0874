"""SQL on versions."""

from dataclasses import dataclass
from uuid import UUID

from chassis.database import Connection
from contracts.diagram.diagrams import DiagramNotFound
from contracts.diagram.versions import Version, VersionNotFound, VersionSummary
from workers.diagram.policy import visible_to
from workers.diagram.rows import canvas_of

_VERSION_SUMMARY = "number, label, description, size_bytes, created_at, created_by"

_MAX_NUMBER = 2**31 - 1  # above every version's number


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version and, once it is archived, the key and digest of its object."""

    version: Version
    object_key: str | None
    content_sha256: str | None


async def version(connection: Connection, diagram_id: UUID, owner_id: UUID, number: int) -> VersionRow:
    """Raises ``DiagramNotFound``, also for another owner's diagram, and ``VersionNotFound``."""
    record = await connection.fetchrow(_VERSION, diagram_id, owner_id, number)
    if record is None:
        raise DiagramNotFound
    if record["number"] is None:
        raise VersionNotFound
    found = Version.model_validate({**record, "diagram_id": diagram_id, "canvas_data": canvas_of(record)})
    return VersionRow(found, record["object_key"], record["content_sha256"])


async def versions(
    connection: Connection, diagram_id: UUID, owner_id: UUID, *, before: int | None, limit: int
) -> tuple[list[VersionSummary], int]:
    """One page, newest first, and the total. Raises ``DiagramNotFound``, also for another owner's diagram."""
    records = await connection.fetch(_VERSIONS, diagram_id, owner_id, before or _MAX_NUMBER, limit)
    if not records:
        raise DiagramNotFound
    found = [VersionSummary.model_validate(dict(record)) for record in records if record["number"] is not None]
    return found, records[0]["total"]


_VERSION = f"""
    SELECT {_VERSION_SUMMARY}, canvas_data::text AS canvas_json, note_content, object_key, content_sha256
    FROM (SELECT id FROM files WHERE id = $1 AND {visible_to("$2")}) AS file
    LEFT JOIN versions ON file_id = file.id AND number = $3
"""

# Numbers have no gaps, so the newest number is the total.
_VERSIONS = f"""
    SELECT {_VERSION_SUMMARY}, total
    FROM (SELECT id, version AS total FROM files WHERE id = $1 AND {visible_to("$2")}) AS file
    LEFT JOIN LATERAL (
        SELECT {_VERSION_SUMMARY} FROM versions
        WHERE file_id = file.id AND number < $3
        ORDER BY number DESC LIMIT $4
    ) AS page ON true
    ORDER BY number DESC
"""
