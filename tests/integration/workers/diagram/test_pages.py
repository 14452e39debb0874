"""Pages of a list whose sort keys tie: in a module, and so a database, of their own."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.database import Database, DirectConnection
from chassis.objects import ObjectStore
from contracts.diagram.diagrams import Cursor, DiagramPage, ListDiagrams
from tests.integration.workers.diagram.scene import Scene

SORTS = ["title", "created_at", "updated_at", "last_viewed_at", "size_bytes"]
START = datetime(2026, 1, 1, tzinfo=UTC)
# Few values, so that most sort keys are shared by several diagrams; one of them as long as a title may be.
TITLES = ["plan", "Plan", "straße", "ÄRGER", "🙂", "%_\\", "x", "\x01" * 255]


@pytest.fixture(scope="module")
async def library(
    database: Database, administrator: DirectConnection, store: ObjectStore
) -> AsyncIterator[tuple[Scene, list[UUID]]]:
    """Sixty diagrams of one owner whose sort keys tie, and some that nobody ever viewed."""
    scene = Scene(database, administrator, store)
    owner = await scene.meet("ada")
    chance = random.Random(7)  # noqa: S311 - the same library every time
    ids = [
        (await scene.create(title=chance.choice(TITLES), note_content="x" * chance.randrange(3))).id for _ in range(60)
    ]
    for identity in ids:
        await administrator.execute(
            "UPDATE diagram.files SET created_at = $2, updated_at = $3, last_viewed_at = $4 WHERE id = $1",
            identity,
            START + timedelta(days=chance.randrange(5)),
            START + timedelta(microseconds=chance.randrange(5)),
            chance.choice([None, START, START + timedelta(microseconds=1)]),
        )
    yield scene, ids
    await administrator.execute("DELETE FROM diagram.files WHERE owner_id = $1", owner.id)


async def pages(scene: Scene, **fields: Any) -> list[DiagramPage]:
    found: list[DiagramPage] = []
    cursor = None
    while True:
        page = await scene.ask(ListDiagrams(**fields, cursor=cursor))
        assert isinstance(page, DiagramPage)
        found.append(page)
        if page.next_cursor is None:
            return found
        assert page.items
        cursor = TypeAdapter(Cursor).validate_python(page.next_cursor)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 70))
async def test_pages_give_every_diagram_once_and_in_order(
    library: tuple[Scene, list[UUID]], sort: str, order: str, limit: int
) -> None:
    scene, ids = library
    (whole,) = await pages(scene, sort=sort, order=order, limit=100)
    found = await pages(scene, sort=sort, order=order, limit=limit)

    items = [item for page in found for item in page.items]
    assert items == list(whole.items)
    assert sorted(item.id for item in items) == sorted(ids)
    assert {page.total for page in found} == {60}
    assert all(len(page.items) == limit for page in found[:-1])
    keys: list[Any] = [getattr(item, sort) for item in items]
    if sort == "last_viewed_at":
        keys = [key or datetime.min.replace(tzinfo=UTC) for key in keys]
    if sort != "title":  # whose order is the database's collation
        assert keys == sorted(keys, reverse=order == "desc")
