"""No object goes while a backup copies what its snapshot names."""

import asyncpg

from autograph.backup.postgres import open_snapshot
from contracts.diagram import DeleteDiagram
from tests.integration.workers.diagram.scene import Scene
from tests.integration.workers.diagram.test_archiver import objects, with_versions


async def test_objects_of_a_diagram_deleted_during_a_backup_stay_until_its_end(scene: Scene, admin_url: str) -> None:
    diagram = await with_versions(scene, 3)
    archiver = scene.archiver()
    await archiver.archive_old()

    async with open_snapshot(admin_url), open_snapshot(admin_url):  # two at once keep each other from nothing
        await scene.ask(DeleteDiagram(id=diagram.id))
        assert await archiver.clear_deleted() == 0
        assert len(await objects(scene, diagram.id)) == 2

    assert await archiver.clear_deleted() == 2
    assert await objects(scene, diagram.id) == []


async def test_two_workers_that_clear_at_once_leave_nothing_behind(scene: Scene, admin_url: str) -> None:
    diagram = await with_versions(scene, 2)
    await scene.archiver().archive_old()
    await scene.ask(DeleteDiagram(id=diagram.id))

    connection = await asyncpg.connect(admin_url)
    try:  # one asks whether it may, at the very moment at which the other does
        async with connection.transaction():
            assert await connection.fetchval(
                "SELECT pg_try_advisory_xact_lock('diagram.versions'::regclass::oid::bigint)"
            )
            assert await scene.archiver().clear_deleted() == 0
    finally:
        await connection.close()

    assert await scene.archiver().clear_deleted() == 1
