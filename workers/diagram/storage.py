"""All SQL on diagrams and their versions. Table names have no schema: the role's search path sets it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from chassis.database import Connection, Database, compact
from chassis.loading import Loader
from chassis.unit_of_work import Ledger, Work, Writes
from contracts.diagram import (
    DeleteDiagram,
    Diagram,
    DiagramNotFound,
    DiagramSummary,
    DiagramType,
    ListDiagrams,
    Version,
    VersionNotFound,
    VersionSummary,
)
from contracts.refusal import Forbidden
from workers.diagram.cursors import Position

_SUMMARY = """
    id, title, type, owner_id, team_id, folder_id, tags, version, revision, size_bytes, starred, created_at, updated_at,
    updated_by, last_viewed_at, view_count, comment_count, export_count, collaborator_count, deleted_at
"""
_VERSION_SUMMARY = "number, label, description, size_bytes, created_at, created_by"

ArchivePosition = tuple[datetime, UUID, int]  # of a version, in the order of archiving

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECENT_DAYS = 30  # the view "recent": changed or viewed in this time
NAME_PREFIX = "diagram/"  # of a diagram's cache entry, and of the subject of its events
_FIRST_POSITION: ArchivePosition = (EPOCH, UUID(int=0), 0)
_MAX_NUMBER = 2**31 - 1  # above every version's number
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
    return LockedDiagram(_summary(record), record["sequence"], record["has_canvas"], record["has_note"])


async def change(connection: Connection, diagram_id: UUID, change: Change) -> Changed | None:
    """The diagram must be locked. None: it has these values already, and nothing was written.

    Different content, or a label, makes a new version.
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
    )
    if record is None:
        return None
    return Changed(_summary(record), tuple(record["fields"]))


async def trash(connection: Connection, diagram_id: UUID, now: datetime) -> DiagramSummary:
    return _summary(await connection.fetchrow(_SET_DELETED_AT, diagram_id, now))


async def restore(connection: Connection, diagram_id: UUID) -> DiagramSummary:
    return _summary(await connection.fetchrow(_SET_DELETED_AT, diagram_id, None))


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
    return Diagram.model_validate(_for_owner(record) | {"canvas_data": _canvas(record)})


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
    found = Version.model_validate({**record, "diagram_id": diagram_id, "canvas_data": _canvas(record)})
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


@dataclass(frozen=True, slots=True)
class Page:
    items: list[DiagramSummary]
    total: int  # over all pages
    end: Position | None  # position of the last item; None: this is the last page


async def diagrams(connection: Connection, owner_id: UUID, query: ListDiagrams, position: Position | None) -> Page:
    """The page of the owner's diagrams behind *position*."""
    sort, order = _SORTS[query.sort], query.order.upper()
    conditions, values = _conditions(owner_id, query)
    matching = " AND ".join(conditions)
    counting, counted = f"SELECT count(*) FROM files WHERE {matching}", list(values)
    if position is not None:
        values += position
        behind = sort.value.format(f"${len(values) - 1}")
        conditions.append(f"({sort.key}, id) {'>' if order == 'ASC' else '<'} ({behind}, ${len(values)})")
    records = await connection.fetch(
        f"""
        SELECT {_SUMMARY}, {sort.shown} AS sort_key, ({counting}) AS total FROM files
        WHERE {" AND ".join(conditions)}
        ORDER BY {sort.key} {order}, id {order}
        LIMIT {query.limit + 1}
        """,
        *values,
    )
    if not records:
        return Page([], await connection.fetchval(counting, *counted), None)
    shown = records[: query.limit]
    end = (shown[-1]["sort_key"], shown[-1]["id"]) if len(records) > len(shown) else None
    return Page([_summary(record) for record in shown], records[0]["total"], end)


def _conditions(owner_id: UUID, query: ListDiagrams) -> tuple[list[str], list[Any]]:
    conditions = ["owner_id = $1", f"deleted_at IS {'NOT ' if query.view == 'trash' else ''}NULL"]
    values: list[Any] = [owner_id]
    if query.view == "recent":
        conditions.append(f"greatest(updated_at, last_viewed_at) > now() - interval '{RECENT_DAYS} days'")
    for condition, value in (
        ("type = ${}", query.type),
        ("tags @> ARRAY[${}::text]", query.tag),
        ("folded(title) LIKE folded(${})", like_pattern(query.q) if query.q else None),
        ("created_at >= ${}", query.created_from),
        ("created_at <= ${}", query.created_to),
    ):
        if value is not None:
            values.append(value)
            conditions.append(condition.format(len(values)))
    return conditions, values


def like_pattern(text: str) -> str:
    """A LIKE pattern that matches text containing *text* literally."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


@dataclass(frozen=True, slots=True)
class _Sort:
    key: str  # SQL: the sort key, never null
    shown: str  # SQL: its form in a cursor
    value: str  # SQL: the sort key from the cursor's form


# Never viewed sorts before all viewed diagrams: last in descending order.
_SORTS = {
    "title": _Sort('sort_key(title) COLLATE "C"', "sort_key(title)", "{}::text"),
    "created_at": _Sort("created_at", "created_at", "{}::timestamptz"),
    "updated_at": _Sort("updated_at", "updated_at", "{}::timestamptz"),
    "last_viewed_at": _Sort(
        "coalesce(last_viewed_at, '-infinity')", "last_viewed_at", "coalesce({}::timestamptz, '-infinity')"
    ),
    "size_bytes": _Sort("size_bytes", "size_bytes", "{}::bigint"),
}


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
    """Permanently deleted diagrams with the time of deletion, oldest first, from the inbox (kept for 7 days).

    The inbox row is committed with the deletion, so a crash loses nothing. That a diagram is not in the database is no
    proof of its deletion: the database may have been restored, or be the wrong one.
    """
    records = await connection.fetch(_DELETED, DeleteDiagram.wire_name, since)
    return [
        (UUID(name.removeprefix(NAME_PREFIX)), record["handled_at"])
        for record in records
        for name in record["invalidates"]
        if name.startswith(NAME_PREFIX)
    ]


def _summary(record: asyncpg.Record | None) -> DiagramSummary:
    assert record is not None
    return DiagramSummary.model_validate(_for_owner(record))


def _canvas(record: asyncpg.Record) -> bytes | None:
    return None if record["canvas_json"] is None else compact(record["canvas_json"])


def _for_owner(record: asyncpg.Record) -> dict[str, Any]:
    return {**record, "permission": "owner", "thumbnail_url": None}


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
        INSERT INTO versions (file_id, number, canvas_data, note_content, size_bytes, created_at, created_by)
        SELECT * FROM file
    )
"""

# The lock of an UPDATE: inserts that only refer to the diagram by a foreign key do not wait for it.
_LOCK = f"""
    SELECT {_SUMMARY}, sequence, canvas_data IS NOT NULL AS has_canvas, note_content IS NOT NULL AS has_note
    FROM files WHERE id = $1 AND owner_id = $2
    FOR NO KEY UPDATE
"""

# jsonb decides whether content differs: it ignores the order of keys and treats 1 and 1.0 as equal.
_CHANGE = f"""
    WITH compared AS (
        SELECT title <> $2 AS title_differs,
               type <> $3 AS type_differs,
               tags <> $4::text[] AS tags_differ,
               $5 AND canvas_data IS DISTINCT FROM $6::jsonb AS canvas_differs,
               $8 AND note_content IS DISTINCT FROM $9 AS note_differs,
               coalesce(octet_length(note_content), 0) AS note_bytes
        FROM files WHERE id = $1
    ), decided AS (
        SELECT *, canvas_differs OR note_differs OR num_nonnulls($10::text, $11::text) > 0 AS makes_version
        FROM compared
    ), file AS (
        UPDATE files SET
            title = $2,
            type = $3,
            tags = $4,
            canvas_data = CASE WHEN canvas_differs THEN $6 ELSE canvas_data END,
            note_content = CASE WHEN note_differs THEN $9 ELSE note_content END,
            size_bytes = CASE WHEN canvas_differs THEN $7 ELSE size_bytes - note_bytes END
                       + CASE WHEN note_differs THEN coalesce(octet_length($9), 0) ELSE note_bytes END,
            version = version + makes_version::int,
            revision = revision + 1,
            sequence = sequence + 1,
            updated_at = $12,
            updated_by = $13
        FROM decided
        WHERE id = $1 AND (title_differs OR type_differs OR tags_differ OR makes_version)
        RETURNING {_SUMMARY}, canvas_data, note_content, makes_version,
            array_remove(ARRAY[
                CASE WHEN title_differs THEN 'title' END,
                CASE WHEN type_differs THEN 'type' END,
                CASE WHEN tags_differ THEN 'tags' END,
                CASE WHEN canvas_differs THEN 'canvas_data' END,
                CASE WHEN note_differs THEN 'note_content' END,
                CASE WHEN makes_version THEN 'version' END
            ], NULL) AS fields
    ), kept AS (
        INSERT INTO versions (file_id, number, canvas_data, note_content, label, description, size_bytes,
                              created_at, created_by)
        SELECT id, version, canvas_data, note_content, $10, $11, size_bytes, updated_at, updated_by
        FROM file WHERE makes_version
    )
    SELECT {_SUMMARY}, fields FROM file
"""

_SET_DELETED_AT = f"""
    UPDATE files SET deleted_at = $2, revision = revision + 1, sequence = sequence + 1
    WHERE id = $1
    RETURNING {_SUMMARY}
"""

# The canvas as text: it is not parsed here.
_DIAGRAM = f"""
    SELECT {_SUMMARY}, canvas_data::text AS canvas_json, note_content
    FROM files WHERE id = $1 AND owner_id = $2
"""

# LIMIT prevents a join: while there are few files, the planner would read all of them to find 16.
_DIAGRAMS = f"""
    SELECT file.* FROM unnest($1::uuid[], $2::uuid[]) AS asked (asked_id, asked_owner_id)
    CROSS JOIN LATERAL (
        SELECT {_SUMMARY}, canvas_data::text AS canvas_json, note_content FROM files
        WHERE id = asked_id AND owner_id = asked_owner_id LIMIT 1
    ) AS file
"""

_VERSION = f"""
    SELECT {_VERSION_SUMMARY}, canvas_data::text AS canvas_json, note_content, object_key, content_sha256
    FROM (SELECT id FROM files WHERE id = $1 AND owner_id = $2) AS file
    LEFT JOIN versions ON file_id = file.id AND number = $3
"""

# Numbers have no gaps, so the newest number is the total.
_VERSIONS = f"""
    SELECT {_VERSION_SUMMARY}, total
    FROM (SELECT id, version AS total FROM files WHERE id = $1 AND owner_id = $2) AS file
    LEFT JOIN LATERAL (
        SELECT {_VERSION_SUMMARY} FROM versions
        WHERE file_id = file.id AND number < $3
        ORDER BY number DESC LIMIT $4
    ) AS page ON true
    ORDER BY number DESC
"""

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

_NO_BACKUP_RUNNING = "SELECT pg_try_advisory_xact_lock('versions'::regclass::oid::bigint)"

_DELETED = """
    SELECT invalidates, handled_at FROM inbox
    WHERE type = $1 AND status = 'succeeded' AND handled_at >= $2
    ORDER BY handled_at
"""
