"""A diagram's row as its representation."""

from typing import Any

import asyncpg

from chassis.database import compact
from contracts.diagram.diagrams import DiagramSummary
from contracts.envelope import Actor, ActorKind

SUMMARY = """
    id, title, type, owner_id, team_id, folder_id, tags, version, revision, size_bytes, starred, created_at, updated_at,
    updated_by, last_viewed_at, view_count, comment_count, export_count, collaborator_count, deleted_at
"""


def summary_of(record: asyncpg.Record | None) -> DiagramSummary:
    assert record is not None
    return DiagramSummary.model_validate(for_owner(record))


def canvas_of(record: asyncpg.Record) -> bytes | None:
    return None if record["canvas_json"] is None else compact(record["canvas_json"])


def producer_of(actor: Actor) -> str | None:
    """The name of the program that acts for a user; None: the user does."""
    return actor.name if actor.kind is ActorKind.PRODUCER else None


def for_owner(record: asyncpg.Record) -> dict[str, Any]:
    return {**record, "permission": "owner", "thumbnail_url": None}
