"""SQL on diagrams. Table names have no schema: the role's search path sets it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg

from chassis.database import Connection, Database
from chassis.loading import Loader
from chassis.unit_of_work import Ledger, Work, Writes
from contracts.diagram.diagrams import Diagram, DiagramNotFound, DiagramSummary, DiagramType
from contracts.refusal import Forbidden
from workers.diagram.policy import visible_to
from workers.diagram.rows import SUMMARY, canvas_of, for_owner, summary_of

_OWNER_IS_A_USER = "files_owner_id_fkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDiagram:
    id: UUID
    owner_id: UUID
    title: str
    type: DiagramType
    tags: Sequence[str]
    canvas_json: bytes | None
    note: str | None
    size_bytes: int
    now: datetime
    producer: str | None = None

    def summary(self) -> DiagramSummary:
        """The diagram's summary after its creation."""
        return DiagramSummary(
            id=self.id,
            title=self.title,
            type=self.type,
            owner_id=self.owner_id,
            team_id=None,
            folder_id=None,
            tags=tuple(self.tags),
            version=1,
            revision=1,
            size_bytes=self.size_bytes,
            starred=False,
            permission="owner",
            created_at=self.now,
            updated_at=self.now,
            updated_by=self.owner_id,
            last_viewed_at=None,
            view_count=0,
            comment_count=0,
            export_count=0,
            collaborator_count=0,
            deleted_at=None,
            thumbnail_url=None,
        )


@dataclass(frozen=True, slots=True)
class LockedDiagram:
    """A diagram whose row this transaction has locked: no other transaction can change it."""

    summary: DiagramSummary
    sequence: int
    has_canvas: bool
    has_note: bool

    @property
    def revision(self) -> int:
        return self.summary.revision

    @property
    def in_trash(self) -> bool:
        return self.summary.deleted_at is not None

    @property
    def next_sequence(self) -> int:
        return self.sequence + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The diagram's new values. Content applies only where ``sets_…`` is true."""

    title: str
    type: DiagramType
    tags: Sequence[str]
    sets_canvas: bool
    canvas_json: bytes | None
    sets_note: bool
    note: str | None
    label: str | None
    description: str | None
    now: datetime
    by: UUID
    producer: str | None = None  # the program that acts for ``by``
    window: timedelta | None = None  # how long a version stays open; None: none is opened, and none takes the change


@dataclass(frozen=True, slots=True)
class Changed:
    summary: DiagramSummary
    fields: tuple[str, ...]  # that differ from the previous values


async def create(ledger: Ledger, work: Work, diagram: NewDiagram) -> None:
    """Inserts the diagram, its first version, and the outcome and events of *work*.

    Raises ``Forbidden`` if the owner does not exist, ``AlreadyHandled``.
    """
    values = (
        diagram.id,
        diagram.owner_id,
        diagram.title,
        diagram.type,
        diagram.tags,
        diagram.canvas_json,
        diagram.note,
        diagram.size_bytes,
        diagram.now,
        diagram.producer,
    )
    try:
        await ledger.execute(work, Writes(_CREATE, values))
    except asyncpg.ForeignKeyViolationError as error:
        if error.constraint_name == _OWNER_IS_A_USER:
            raise Forbidden("There is no such user") from error
        raise


async def lock(connection: Connection, diagram_id: UUID, owner_id: UUID) -> LockedDiagram:
    """Locks the owner's diagram and reads its committed state; waits for a concurrent change.

    Raises ``DiagramNotFound``, also for another owner's diagram.
    """
    record = await connection.fetchrow(_LOCK, diagram_id, owner_id)
    if record is None:
        raise DiagramNotFound
    return LockedDiagram(summary_of(record), record["sequence"], record["has_canvas"], record["has_note"])


async def change(connection: Connection, diagram_id: UUID, change: Change) -> Changed | None:
    """The diagram must be locked. None: it has these values already, and nothing was written.

    Different content, or a label, makes a new version. With ``window`` the newest one takes the content if it is open.
    """
    record = await connection.fetchrow(
        _CHANGE,
        diagram_id,
        change.title,
        change.type,
        change.tags,
        change.sets_canvas,
        change.canvas_json,
        len(change.canvas_json or b""),
        change.sets_note,
        change.note,
        change.label,
        change.description,
        change.now,
        change.by,
        change.producer,
        change.window,
    )
    if record is None:
        return None
    return Changed(summary_of(record), tuple(record["fields"]))


async def trash(connection: Connection, diagram_id: UUID, now: datetime) -> DiagramSummary:
    return summary_of(await connection.fetchrow(_SET_DELETED_AT, diagram_id, now))


async def restore(connection: Connection, diagram_id: UUID) -> DiagramSummary:
    return summary_of(await connection.fetchrow(_SET_DELETED_AT, diagram_id, None))


async def view(connection: Connection, diagram_id: UUID, owner_id: UUID, now: datetime) -> None:
    """Raises ``DiagramNotFound``, also for another owner's diagram."""
    if not await connection.fetchval(_VIEW, diagram_id, owner_id, now):
        raise DiagramNotFound


async def delete(connection: Connection, diagram_id: UUID) -> None:
    """With its versions; the archiver removes its objects."""
    await connection.execute("DELETE FROM files WHERE id = $1", diagram_id)


DiagramRows: TypeAlias = Loader[tuple[UUID, UUID], asyncpg.Record]  # by diagram and owner


def diagram_rows(database: Database) -> DiagramRows:
    async def read(asked: Sequence[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], asyncpg.Record]:
        async with database.connection() as connection:
            if len(asked) == 1:  # 10 µs faster than a list of one (2026-11-28)
                record = await connection.fetchrow(_DIAGRAM, *asked[0])
                records = [] if record is None else [record]
            else:
                records = await connection.fetch(_DIAGRAMS, *map(list, zip(*asked, strict=True)))
        return {(record["id"], record["owner_id"]): record for record in records}

    return Loader(read)


async def diagram(rows: DiagramRows, diagram_id: UUID, owner_id: UUID) -> Diagram:
    """Raises ``DiagramNotFound``, also for another's."""
    record = await rows.load((diagram_id, owner_id))
    if record is None:
        raise DiagramNotFound
    return Diagram.model_validate(for_owner(record) | {"canvas_data": canvas_of(record)})


# Other columns get their defaults, which `NewDiagram.summary` repeats.
_CREATE = """
    file AS (
        INSERT INTO files (id, owner_id, title, type, tags, canvas_data, note_content, size_bytes, sequence,
                           created_at, updated_at, updated_by)
        SELECT $1::uuid, $2::uuid, $3::text, $4::text, $5::text[], $6::jsonb, $7::text, $8::bigint, 1,
               $9::timestamptz, $9, $2
        FROM claimed
        RETURNING id, version, canvas_data, note_content, size_bytes, created_at, owner_id
    ), first AS (
        INSERT INTO versions (file_id, number, canvas_data, note_content, size_bytes, created_at, created_by,
                              created_by_producer)
        SELECT file.*, $10::text FROM file
    )
"""

# The lock of an UPDATE: inserts that only refer to the diagram by a foreign key do not wait for it.
_LOCK = f"""
    SELECT {SUMMARY}, sequence, canvas_data IS NOT NULL AS has_canvas, note_content IS NOT NULL AS has_note
    FROM files WHERE id = $1 AND {visible_to("$2")}
    FOR NO KEY UPDATE
"""

# An open version takes no change that removes as many elements of the canvas: what was there stays in a version.
MANY_ELEMENTS = 10


def _elements(canvas: str) -> str:
    """The ids of the elements that are not deleted in *canvas*, an SQL expression."""
    return f"""
        SELECT element ->> 'id' FROM (SELECT {canvas} -> 'elements' AS listed) AS canvas,
            jsonb_array_elements(CASE jsonb_typeof(listed) WHEN 'array' THEN listed ELSE '[]' END) AS element
        WHERE (element -> 'isDeleted') IS DISTINCT FROM 'true'
    """


# jsonb decides whether content differs: it ignores the order of keys and treats 1 and 1.0 as equal.
# Whether a version is still open is decided by PostgreSQL's clock, which is one for all workers. It is read while the
# diagram is locked.
_CHANGE = f"""
    WITH compared AS (
        SELECT title <> $2 AS title_differs,
               type <> $3 AS type_differs,
               tags <> $4::text[] AS tags_differ,
               $5 AND canvas_data IS DISTINCT FROM $6::jsonb AS canvas_differs,
               $8 AND note_content IS DISTINCT FROM $9 AS note_differs,
               coalesce(octet_length(note_content), 0) AS note_bytes,
               num_nonnulls($10::text, $11::text) > 0 AS has_label,
               version AS newest,
               canvas_data AS previous
        FROM files WHERE id = $1
    ), asked AS (
        SELECT *, $15::interval IS NOT NULL AND NOT has_label AND (canvas_differs OR note_differs) AS may_be_taken
        FROM compared
    ), decided AS (
        SELECT asked.*, CASE WHEN may_be_taken AND EXISTS (
            SELECT FROM versions
            WHERE file_id = $1 AND number = newest AND open_until > clock_timestamp() AND object_key IS NULL
                AND num_nonnulls(label, description) = 0
                AND created_by = $13 AND created_by_producer IS NOT DISTINCT FROM $14
        ) AND NOT EXISTS (SELECT FROM shares WHERE file_id = $1 AND shares.version = newest)
        THEN NOT canvas_differs OR (
            SELECT count(*) FROM ({_elements("previous")} EXCEPT {_elements("$6::jsonb")}) AS removed
        ) < {MANY_ELEMENTS}
        ELSE false END AS is_taken
        FROM asked
    ), file AS (
        UPDATE files SET
            title = $2,
            type = $3,
            tags = $4,
            canvas_data = CASE WHEN canvas_differs THEN $6 ELSE canvas_data END,
            note_content = CASE WHEN note_differs THEN $9 ELSE note_content END,
            size_bytes = CASE WHEN canvas_differs THEN $7 ELSE size_bytes - note_bytes END
                       + CASE WHEN note_differs THEN coalesce(octet_length($9), 0) ELSE note_bytes END,
            version = version + ((canvas_differs OR note_differs OR has_label) AND NOT is_taken)::int,
            revision = revision + 1,
            sequence = sequence + 1,
            updated_at = $12,
            updated_by = $13
        FROM decided
        WHERE id = $1 AND (title_differs OR type_differs OR tags_differ OR canvas_differs OR note_differs OR has_label)
        RETURNING {SUMMARY}, canvas_data, note_content, is_taken, may_be_taken, version > newest AS makes_version,
            array_remove(ARRAY[
                CASE WHEN title_differs THEN 'title' END,
                CASE WHEN type_differs THEN 'type' END,
                CASE WHEN tags_differ THEN 'tags' END,
                CASE WHEN canvas_differs THEN 'canvas_data' END,
                CASE WHEN note_differs THEN 'note_content' END,
                CASE WHEN version > newest THEN 'version' END
            ], NULL) AS fields
    ), kept AS (
        INSERT INTO versions (file_id, number, canvas_data, note_content, label, description, size_bytes,
                              created_at, created_by, created_by_producer, open_until)
        SELECT id, version, canvas_data, note_content, $10, $11, size_bytes, updated_at, updated_by, $14,
               CASE WHEN may_be_taken THEN clock_timestamp() + $15 END
        FROM file WHERE makes_version
    ), taken AS (
        UPDATE versions SET canvas_data = file.canvas_data, note_content = file.note_content,
            size_bytes = file.size_bytes, updated_at = file.updated_at
        FROM file WHERE is_taken AND file_id = file.id AND number = file.version
    )
    SELECT {SUMMARY}, fields FROM file
"""

_SET_DELETED_AT = f"""
    UPDATE files SET deleted_at = $2, revision = revision + 1, sequence = sequence + 1
    WHERE id = $1
    RETURNING {SUMMARY}
"""

# No index has these columns, so this is a cheap update (HOT). Views within a minute count once.
_VIEW = f"""
    WITH found AS (
        SELECT id FROM files WHERE id = $1 AND {visible_to("$2")}
    ), counted AS (
        UPDATE files SET last_viewed_at = $3, view_count = view_count + 1
        FROM found
        WHERE files.id = found.id
            AND (last_viewed_at IS NULL OR last_viewed_at <= $3::timestamptz - interval '1 minute')
    )
    SELECT EXISTS (SELECT FROM found)
"""

# The canvas as text: it is not parsed here.
_DIAGRAM = f"""
    SELECT {SUMMARY}, canvas_data::text AS canvas_json, note_content
    FROM files WHERE id = $1 AND {visible_to("$2")}
"""

# LIMIT prevents a join: while there are few files, the planner would read all of them to find 16.
_DIAGRAMS = f"""
    SELECT file.* FROM unnest($1::uuid[], $2::uuid[]) AS asked (asked_id, asked_owner_id)
    CROSS JOIN LATERAL (
        SELECT {SUMMARY}, canvas_data::text AS canvas_json, note_content FROM files
        WHERE id = asked_id AND {visible_to("asked_owner_id")} LIMIT 1
    ) AS file
"""
