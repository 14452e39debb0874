"""SQL of lists: filters, order and pages."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.diagram.diagrams import DiagramSummary, ListDiagrams
from workers.diagram.cursors import Position
from workers.diagram.policy import visible_to
from workers.diagram.rows import SUMMARY, summary_of

RECENT_DAYS = 30  # the view "recent": changed or viewed in this time


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
        SELECT {SUMMARY}, {sort.shown} AS sort_key, ({counting}) AS total FROM files
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
    return Page([summary_of(record) for record in shown], records[0]["total"], end)


def _conditions(owner_id: UUID, query: ListDiagrams) -> tuple[list[str], list[Any]]:
    conditions = [visible_to("$1"), f"deleted_at IS {'NOT ' if query.view == 'trash' else ''}NULL"]
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
