"""Diagrams that are asked for together are read by one statement, and nobody can tell."""

import asyncio
import json
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Database, DirectConnection
from contracts.diagram.diagrams import Diagram, DiagramNotFound, GetDiagram
from tests.integration.workers.diagram.scene import Scene
from workers.diagram.diagrams import storage

MANY = 2_000


async def all_of(scene: Scene, *asked: tuple[UUID, str]) -> list[Diagram | BaseException]:
    asking = (scene.ask(GetDiagram(id=diagram), by) for diagram, by in asked)
    answers: list[Diagram | BaseException] = await asyncio.gather(*asking, return_exceptions=True)
    return answers


def titles(answers: list[Diagram | BaseException]) -> list[Any]:
    return [answer.title if isinstance(answer, Diagram) else type(answer) for answer in answers]


def scans(node: dict[str, Any]) -> list[str]:
    """The leaves of a plan."""
    below = node.get("Plans", ())
    return [leaf for one in below for leaf in scans(one)] or [node.get("Index Name", node["Node Type"])]


async def test_each_gets_the_diagram_that_it_asked_for_as_if_it_had_asked_alone(scene: Scene) -> None:
    created = [
        await scene.create(title=title, canvas_data={"elements": [title]}, note_content=title) for title in "abc"
    ]
    alone = [await scene.ask(GetDiagram(id=diagram.id)) for diagram in created]

    assert await all_of(scene, *((diagram.id, "ada") for diagram in created)) == alone


async def test_two_owners_that_ask_together_never_see_each_others(scene: Scene) -> None:
    hers, his = await scene.create("ada", title="hers"), await scene.create("bob", title="his")

    answers = await all_of(
        scene, (hers.id, "ada"), (his.id, "ada"), (hers.id, "bob"), (his.id, "bob"), (uuid7(), "bob")
    )

    assert titles(answers) == ["hers", DiagramNotFound, DiagramNotFound, "his", DiagramNotFound]


async def test_a_read_right_after_a_commit_shows_it_whatever_is_being_read_meanwhile(scene: Scene) -> None:
    diagram = await scene.create(title="0")
    for number in range(1, 30):
        meanwhile = asyncio.create_task(all_of(scene, *[(diagram.id, "ada")] * 5))
        await scene.change(diagram, title=str(number))

        assert titles(await all_of(scene, *[(diagram.id, "ada")] * 3)) == [str(number)] * 3
        assert set(titles(await meanwhile)) <= {str(number - 1), str(number)}


async def test_the_statement_finds_its_rows_by_the_primary_key(
    scene: Scene, database: Database, administrator: DirectConnection
) -> None:
    """However it is planned: with the keys known, and for any."""
    owner = scene.actors["ada"].id
    await administrator.execute(
        "INSERT INTO diagram.files (id, owner_id, title, type, size_bytes, sequence, updated_by)"
        " SELECT gen_random_uuid(), $1, 'T', 'note', 0, 1, $1 FROM generate_series(1, $2)",
        owner,
        MANY,
    )
    await administrator.execute("ANALYZE diagram.files")
    async with database.transaction() as connection:
        diagrams = await connection.fetchval("SELECT array_agg(id) FROM (SELECT id FROM files LIMIT 16) AS sixteen")
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            plan = await connection.fetchval(
                f"EXPLAIN (FORMAT JSON) {storage._DIAGRAMS}", diagrams, [owner] * len(diagrams)
            )
            assert scans(json.loads(plan)[0]["Plan"]) == ["Function Scan", "files_pkey"]
