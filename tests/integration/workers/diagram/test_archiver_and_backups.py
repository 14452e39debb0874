"""No object goes while a backup copies what its snapshot names."""

import asyncio
from uuid import UUID

import asyncpg

from autograph.backup.postgres import open_snapshot
from contracts.diagram.diagrams import DeleteDiagram
from tests.integration.workers.diagram.scene import Scene
from tests.integration.workers.diagram.test_archiver import objects, with_versions
from workers.diagram.archive.objects import Archive, ArchivedContent
from workers.diagram.archive.storage import Content


class HeldUp(Archive):
    """Has kept what it was given, and does not say so yet."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.store, scene.metrics)
        self.has_kept, self.says_so = asyncio.Event(), asyncio.Event()

    async def store(self, file_id: UUID, number: int, content: Content) -> ArchivedContent:
        archived = await super().store(file_id, number, content)
        self.has_kept.set()
        await self.says_so.wait()
        return archived


async def test_objects_of_a_diagram_deleted_during_a_backup_stay_until_its_end(scene: Scene, admin_url: str) -> None:
    diagram = await with_versions(scene, 3)
    archiver = scene.archiver()
    await archiver.archive_old()

    async with open_snapshot(admin_url), open_snapshot(admin_url):  # two at once keep each other from nothing
        await scene.ask(DeleteDiagram(id=diagram.id))
        assert await archiver.remove_deleted() == 0
        assert len(await objects(scene, diagram.id)) == 2

    assert await archiver.remove_deleted() == 2
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
            assert await scene.archiver().remove_deleted() == 0
    finally:
        await connection.close()

    assert await scene.archiver().remove_deleted() == 1


async def test_an_archiver_that_comes_too_late_takes_no_object_from_a_backup(scene: Scene, admin_url: str) -> None:
    diagram = await with_versions(scene, 2)
    archive = HeldUp(scene)
    late = asyncio.create_task(scene.archiver(archive).archive_old())
    await archive.has_kept.wait()
    assert await scene.archiver().archive_old() == 1

    async with open_snapshot(admin_url):
        await scene.ask(DeleteDiagram(id=diagram.id))
        archive.says_so.set()
        assert await late == 0
        assert len(await objects(scene, diagram.id)) == 1

    assert await scene.archiver().remove_deleted() == 1
    assert await objects(scene, diagram.id) == []
