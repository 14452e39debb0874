"""SQL on versions."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.diagram.diagrams import DiagramNotFound, DiagramSummary, DiagramType
from contracts.diagram.versions import Version, VersionNotFound, VersionSummary
from workers.diagram.archive.storage import Content
from workers.diagram.diagrams.storage import Changed
from workers.diagram.policy import visible_to
from workers.diagram.rows import SUMMARY, canvas_of, summary_of
from workers.diagram.versions.rules import Digest, Naming

# How much later than its time a version is shown as closed: longer than a change takes from looking at the clock to its
# commit. So what was once shown as closed never changes.
SETTLED_AFTER = "interval '1 minute'"

_STORED = """
    number, label, description, size_bytes, created_at, created_by, created_by_producer,
    coalesce(updated_at, created_at) AS updated_at, restored_from
"""

_MAX_NUMBER = 2**31 - 1  # above every version's number


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version and, once it is archived, the key and digest of its object."""

    version: Version
    object_key: str | None
    content_sha256: str | None


@dataclass(frozen=True, slots=True)
class LockedVersion:
    """A version of a diagram that this transaction has locked."""

    summary: VersionSummary
    is_unclosed: bool  # it was opened, and nothing but time may have closed it


@dataclass(frozen=True, slots=True)
class Author:
    id: UUID
    producer: str | None


@dataclass(frozen=True, slots=True)
class ArchivedPlace:
    object_key: str
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """A version's content, by its digest. Archived content is not in the row, and has an empty one."""

    is_archived: bool
    digest: Digest


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


async def place_of(connection: Connection, diagram_id: UUID, owner_id: UUID, number: int) -> ArchivedPlace | None:
    """Where the version's content is archived. None: it is not, or there is no such version that the owner may see."""
    record = await connection.fetchrow(_PLACE, diagram_id, owner_id, number)
    return None if record is None else ArchivedPlace(**record)


async def locked_version(connection: Connection, diagram_id: UUID, number: int) -> LockedVersion | None:
    """The diagram must be locked."""
    record = await connection.fetchrow(_LOCKED, diagram_id, number)
    return None if record is None else LockedVersion(_summary(record), record["is_unclosed"])


async def name(connection: Connection, diagram_id: UUID, number: int, naming: Naming) -> VersionSummary:
    """Closes the version, whose diagram must be locked, and gives it this label and description."""
    return _summary(await connection.fetchrow(_NAME, diagram_id, number, naming.label, naming.description))


async def follow(
    connection: Connection, diagram_id: UUID, naming: Naming, author: Author, now: datetime
) -> tuple[DiagramSummary, VersionSummary]:
    """Makes a version of the present content. The diagram must be locked."""
    record = await connection.fetchrow(
        _FOLLOW, diagram_id, naming.label, naming.description, now, author.id, author.producer
    )
    diagram = summary_of(record)
    stored = await locked_version(connection, diagram_id, diagram.version)
    assert stored is not None
    return diagram, stored.summary


async def source(connection: Connection, diagram_id: UUID, number: int) -> Source | None:
    record = await connection.fetchrow(_SOURCE, diagram_id, number)
    return None if record is None else Source(record["is_archived"], Digest(record["canvas"], record["note"]))


async def restore(
    connection: Connection,
    diagram_id: UUID,
    number: int,
    *,
    content: Content | None,
    kind: DiagramType,
    author: Author,
    now: datetime,
) -> Changed | None:
    """Makes the next version with *content*, which is that of the version, or None if that is in its row.

    The diagram must be locked. None: it has this content already, and nothing was written.
    """
    record = await connection.fetchrow(
        _RESTORE,
        diagram_id,
        number,
        content is not None,
        content.canvas_json if content else None,
        content.note if content else None,
        kind,
        now,
        author.id,
        author.producer,
    )
    return None if record is None else Changed(summary_of(record), tuple(record["fields"]))


def _summary(record: asyncpg.Record | None) -> VersionSummary:
    assert record is not None
    return VersionSummary.model_validate(dict(record))


def _is_open(newest: str) -> str:
    """Whether a row of ``versions`` may still take changes; *newest* is the number of the diagram's newest version.

    The previous release's workers close no version: they make its successor.
    """
    return f"(number = {newest} AND coalesce(open_until > now() - {SETTLED_AFTER}, false))"


_VERSION = f"""
    SELECT {_STORED}, {_is_open("newest")} AS open,
        canvas_data::text AS canvas_json, note_content, object_key, content_sha256
    FROM (SELECT id, version AS newest FROM files WHERE id = $1 AND {visible_to("$2")}) AS file
    LEFT JOIN versions ON file_id = file.id AND number = $3
"""

# Numbers have no gaps, so the newest number is the total.
_VERSIONS = f"""
    SELECT page.*, total
    FROM (SELECT id, version AS total FROM files WHERE id = $1 AND {visible_to("$2")}) AS file
    LEFT JOIN LATERAL (
        SELECT {_STORED}, {_is_open("total")} AS open FROM versions
        WHERE file_id = file.id AND number < $3
        ORDER BY number DESC LIMIT $4
    ) AS page ON true
    ORDER BY number DESC
"""

_PLACE = f"""
    SELECT object_key, content_sha256 FROM versions
    WHERE file_id = (SELECT id FROM files WHERE id = $1 AND {visible_to("$2")}) AND number = $3
        AND object_key IS NOT NULL
"""

_LOCKED = f"""
    SELECT {_STORED}, open_until IS NOT NULL AS is_unclosed, {_is_open("newest")} AS open
    FROM versions, (SELECT version AS newest FROM files WHERE id = $1) AS file
    WHERE file_id = $1 AND number = $2
"""

_NAME = f"""
    WITH counted AS (
        UPDATE files SET sequence = sequence + 1 WHERE id = $1
    )
    UPDATE versions SET label = $3, description = $4, open_until = NULL
    WHERE file_id = $1 AND number = $2
    RETURNING {_STORED}, false AS open
"""

_FOLLOW = f"""
    WITH file AS (
        UPDATE files SET version = version + 1, revision = revision + 1, sequence = sequence + 1,
            updated_at = $4, updated_by = $5
        WHERE id = $1
        RETURNING {SUMMARY}, canvas_data, note_content
    ), kept AS (
        INSERT INTO versions (file_id, number, canvas_data, note_content, label, description, size_bytes,
                              created_at, created_by, created_by_producer)
        SELECT id, version, canvas_data, note_content, $2, $3, size_bytes, updated_at, updated_by, $6
        FROM file
    )
    SELECT {SUMMARY} FROM file
"""

_SOURCE = """
    SELECT object_key IS NOT NULL AS is_archived,
        sha256(convert_to(canvas_data::text, 'UTF8')) AS canvas, sha256(convert_to(note_content, 'UTF8')) AS note
    FROM versions WHERE file_id = $1 AND number = $2
"""

_RESTORE = f"""
    WITH source AS (
        SELECT CASE WHEN $3 THEN $4::jsonb ELSE canvas_data END AS old_canvas,
               CASE WHEN $3 THEN $5::text ELSE note_content END AS old_note,
               size_bytes AS old_bytes
        FROM versions WHERE file_id = $1 AND number = $2 AND (object_key IS NOT NULL) = $3
    ), compared AS (
        SELECT source.*, canvas_data IS DISTINCT FROM old_canvas AS canvas_differs,
               note_content IS DISTINCT FROM old_note AS note_differs, type <> $6 AS type_differs
        FROM files, source WHERE id = $1
    ), file AS (
        UPDATE files SET
            type = $6, canvas_data = old_canvas, note_content = old_note, size_bytes = old_bytes,
            version = version + 1, revision = revision + 1, sequence = sequence + 1, updated_at = $7, updated_by = $8
        FROM compared WHERE id = $1 AND (canvas_differs OR note_differs)
        RETURNING {SUMMARY}, canvas_data, note_content,
            array_remove(ARRAY[
                CASE WHEN type_differs THEN 'type' END,
                CASE WHEN canvas_differs THEN 'canvas_data' END,
                CASE WHEN note_differs THEN 'note_content' END,
                'version'
            ], NULL) AS fields
    ), kept AS (
        INSERT INTO versions (file_id, number, canvas_data, note_content, size_bytes, created_at, created_by,
                              created_by_producer, restored_from)
        SELECT id, version, canvas_data, note_content, size_bytes, updated_at, updated_by, $9, $2
        FROM file
    )
    SELECT {SUMMARY}, fields FROM file
"""
