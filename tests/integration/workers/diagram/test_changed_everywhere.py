"""What an outcome says has changed is served by no cache, also if another worker changed it and cannot reach Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from chassis.cache import Entry
from chassis.database import Database, DirectConnection
from chassis.objects import ObjectStore
from contracts.diagram.diagrams import (
    ChangeDiagram,
    DeleteDiagram,
    DiagramNotFound,
    NotInTrash,
    RestoreDiagram,
    StaleRevision,
    TrashDiagram,
)
from contracts.message import Request
from contracts.refusal import Refusal
from tests.integration.workers.diagram.scene import Scene
from tests.integration.workers.members import Members, two_members


@pytest.fixture
async def members(redis_url: str, database: Database) -> AsyncIterator[Members]:
    async with two_members(redis_url, database, "diagram", "diagram") as members:
        yield members


@pytest.fixture
async def worker(members: Members, database: Database, administrator: DirectConnection, store: ObjectStore) -> Scene:
    scene = Scene(database, administrator, store, invalidating=members.connected)
    await scene.meet("ada")
    return scene


@pytest.fixture
def cut_off(
    members: Members, worker: Scene, database: Database, administrator: DirectConnection, store: ObjectStore
) -> Scene:
    scene = Scene(database, administrator, store, invalidating=members.cut_off)
    scene.actors = worker.actors
    return scene


def committed(scene: Scene, diagram: UUID) -> Callable[[], Awaitable[bool]]:
    async def is_another() -> bool:
        record = await scene.administrator.fetchval("SELECT revision FROM diagram.files WHERE id = $1", diagram)
        return bool(record != 1)

    return is_another


CASES: dict[str, tuple[Callable[[UUID], Request[Any]], Callable[[UUID], Request[Any]], type[Refusal]]] = {
    "a stale change": (
        lambda found: ChangeDiagram(id=found, title="new", expected_revision="*"),
        lambda found: ChangeDiagram(id=found, title="mine", expected_revision=1),
        StaleRevision,
    ),
    "a stale deletion": (
        lambda found: ChangeDiagram(id=found, title="new", expected_revision="*"),
        lambda found: TrashDiagram(id=found, expected_revision=1),
        StaleRevision,
    ),
    "a change of what is gone": (
        lambda found: DeleteDiagram(id=found),
        lambda found: ChangeDiagram(id=found, title="mine", expected_revision="*"),
        DiagramNotFound,
    ),
    "a restoring of what is not in the trash": (
        lambda found: ChangeDiagram(id=found, title="new", expected_revision="*"),
        lambda found: RestoreDiagram(id=found),
        NotInTrash,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
async def test_a_refusal_tells_no_more_than_the_next_read_shows(
    members: Members, worker: Scene, cut_off: Scene, case: str
) -> None:
    change, refused, refusal = CASES[case]
    diagram = await worker.create()
    entry = Entry(f"diagram/{diagram.id}", str(worker.actors["ada"].id))
    await members.fill(entry)
    async with members.holding(cut_off.ask(change(diagram.id)), committed(worker, diagram.id)):
        assert await members.serves(entry) == [True], "the scene is not the one that is meant"

        with pytest.raises(refusal):
            await worker.ask(refused(diagram.id))

        assert await members.serves(entry) == [False]
