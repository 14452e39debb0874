"""Old content on its way to the object store: found wherever it is, whatever breaks on the way."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from chassis.jobs.metrics import JobMetrics
from chassis.jobs.runner import JobRunner
from chassis.objects import ObjectDamaged, ObjectMissing, ObjectStoreUnavailable, open_object_store
from contracts.diagram.diagrams import DeleteDiagram, DiagramNotFound, DiagramSummary
from contracts.diagram.versions import GetVersion, Version, VersionNotFound
from tests.eventually import eventually
from tests.integration.workers.diagram.scene import Scene
from tests.object_store import S3
from workers.diagram.archive.archiver import ArchiveVersions
from workers.diagram.archive.objects import BUCKET, Archive, ArchivedContent
from workers.diagram.archive.storage import Content

CANVAS = {"z": [1.5, 10**30, 1e-7, None, True, "ä\u2028🙂"], "a": {"": ""}}


async def with_versions(scene: Scene, count: int) -> DiagramSummary:
    """A diagram of *count* versions, the first of which has ``CANVAS``."""
    diagram = await scene.create(canvas_data=CANVAS, note_content="first\n")
    for number in range(2, count + 1):
        diagram = await scene.change(diagram, canvas_data={"n": number})
    return diagram


async def read(scene: Scene, diagram: UUID, number: int) -> Version:
    version = await scene.ask(GetVersion(id=diagram, number=number))
    assert isinstance(version, Version)
    return version


async def canvas(scene: Scene, diagram: UUID, number: int) -> Any:
    return (await read(scene, diagram, number)).model_dump(mode="json")["canvas_data"]


async def objects(scene: Scene, diagram: UUID) -> list[str]:
    return [stored.key async for stored in scene.store.list(BUCKET, f"{diagram}/")]


@pytest.fixture
async def away(s3: S3, scene: Scene) -> AsyncIterator[Archive]:
    """An archive whose store does not answer."""
    async with open_object_store("http://127.0.0.1:1", s3.access_key, s3.secret_key) as store:
        yield Archive(store, scene.metrics)


async def test_a_version_reads_the_same_before_and_after_it_is_archived(scene: Scene) -> None:
    diagram = await with_versions(scene, 3)
    before = [await read(scene, diagram.id, number) for number in (1, 2, 3)]

    assert await scene.archiver().archive_old() == 2

    assert [await read(scene, diagram.id, number) for number in (1, 2, 3)] == before
    row = await scene.row(diagram.id, 1)
    assert (row["canvas_data"], row["note_content"]) == (None, None)
    assert sorted(await objects(scene, diagram.id)) == sorted(
        [row["object_key"], (await scene.row(diagram.id, 2))["object_key"]]
    )
    assert row["object_key"].startswith(f"{diagram.id}/1/")


async def test_the_current_version_stays_in_postgres(scene: Scene) -> None:
    diagram = await with_versions(scene, 1)

    assert await scene.archiver().archive_old() == 0
    assert (await scene.row(diagram.id, 1))["object_key"] is None


async def test_a_young_version_stays_in_postgres(scene: Scene) -> None:
    await with_versions(scene, 3)

    assert await scene.archiver(after_seconds=60).archive_old() == 0


async def test_content_survives_an_outage_of_the_store(scene: Scene, away: Archive) -> None:
    diagram = await with_versions(scene, 3)

    with pytest.raises(ObjectStoreUnavailable):
        await scene.archiver(away).archive_old()

    assert await canvas(scene, diagram.id, 1) == CANVAS
    assert scene.registry.get_sample_value("diagram_service_archive_waiting") == 2
    assert await scene.archiver().archive_old() == 2
    assert scene.registry.get_sample_value("diagram_service_archive_waiting") == 0


async def test_the_archiver_goes_on_by_itself_once_the_store_is_back(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)
    archive = InterruptedArchive(scene, ObjectStoreUnavailable("for now"), before_upload=True)
    runner = job_runner(scene)
    runner.schedule(ArchiveVersions(), scene.archiver(archive).run, every_seconds=0.05)
    running = asyncio.create_task(runner.run())

    async def given_up() -> bool:
        return bool(
            scene.registry.get_sample_value("diagram_service_archive_failures_total", {"reason": "object_store"})
        )

    async def archived() -> bool:
        return (await scene.row(diagram.id, 1))["object_key"] is not None

    try:
        await eventually(given_up)
        assert not await archived()
        archive.error = None
        await eventually(archived)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert await canvas(scene, diagram.id, 1) == CANVAS


def job_runner(scene: Scene) -> JobRunner:
    return JobRunner(
        service="diagram",
        database=scene.database,
        ledger=scene.tools.ledger,
        metrics=JobMetrics(CollectorRegistry()),
        clock=lambda: datetime.now(UTC),
        sweep_every_seconds=0.05,
        backoff_seconds=0.05,
    )


async def test_an_archiver_that_is_switched_off_does_nothing(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)
    archiver = scene.archiver(enabled=False)

    await archiver.run(ArchiveVersions(), cast("Any", None))

    assert (await scene.row(diagram.id, 1))["object_key"] is None


class InterruptedArchive(Archive):
    """Fails at a chosen point, as a crash would stop there."""

    def __init__(self, scene: Scene, error: Exception | None, *, before_upload: bool = False) -> None:
        super().__init__(scene.store, scene.metrics)
        self.error = error
        self._before_upload = before_upload

    async def store(self, file_id: UUID, number: int, content: Content) -> ArchivedContent:
        if self.error is not None and self._before_upload:
            raise self.error
        archived = await super().store(file_id, number, content)
        if self.error is not None:
            raise self.error
        return archived


async def test_a_crash_between_upload_and_drop_loses_nothing_and_is_made_good(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)

    with pytest.raises(RuntimeError):
        await scene.archiver(InterruptedArchive(scene, RuntimeError("crash"))).archive_old()
    assert len(await objects(scene, diagram.id)) == 1
    assert (await scene.row(diagram.id, 1))["object_key"] is None
    assert await canvas(scene, diagram.id, 1) == CANVAS

    assert await scene.archiver().archive_old() == 1
    assert len(await objects(scene, diagram.id)) == 1
    assert await canvas(scene, diagram.id, 1) == CANVAS


class LyingStore:
    """A store that says that it took an object, and gives back another."""

    def __init__(self, scene: Scene) -> None:
        self._store = scene.store

    async def get(self, bucket: str, key: str) -> bytes:
        return (await self._store.get(bucket, key))[:-9]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_a_row_keeps_its_content_if_the_store_does_not_give_it_back(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)
    archive = Archive(LyingStore(scene), scene.metrics)  # type: ignore[arg-type]  # a liar on purpose

    assert await scene.archiver(archive).archive_old() == 0

    assert (await scene.row(diagram.id, 1))["canvas_data"] == CANVAS
    failures = scene.registry.get_sample_value("diagram_service_archive_failures_total", {"reason": "damaged"})
    assert failures == 1


async def test_two_archivers_do_no_harm_to_each_other(scene: Scene) -> None:
    diagram = await with_versions(scene, 12)
    before = [await read(scene, diagram.id, number) for number in range(1, 13)]

    moved = await asyncio.gather(*(scene.archiver().archive_old() for _ in range(4)))

    assert sum(moved) == 11
    assert [await read(scene, diagram.id, number) for number in range(1, 13)] == before
    assert len(await objects(scene, diagram.id)) == 11


async def test_readers_find_a_version_while_it_is_moved(scene: Scene) -> None:
    diagram = await with_versions(scene, 6)
    before = {number: await read(scene, diagram.id, number) for number in range(1, 6)}
    moving = asyncio.create_task(scene.archiver().archive_old())
    while not moving.done():
        for number, version in before.items():
            assert await read(scene, diagram.id, number) == version
    assert await moving == 5


@pytest.mark.parametrize(
    "found",
    [
        b"not gzip",
        gzip.compress(b'{"canvas_data":{},"note_content":null}')[:-9],
        gzip.compress(b'{"canvas_data":{},"note_content":null}'),
    ],
    ids=["not gzip", "cut short", "another's"],
)
async def test_what_is_damaged_in_the_store_is_not_given_out(scene: Scene, found: bytes) -> None:
    diagram = await with_versions(scene, 2)
    await scene.archiver().archive_old()
    (key,) = await objects(scene, diagram.id)
    await scene.store.put(BUCKET, key, found)

    with pytest.raises(ObjectDamaged):
        await read(scene, diagram.id, 1)


async def test_an_object_that_vanished_is_an_error_and_not_an_absent_version(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)
    await scene.archiver().archive_old()
    (key,) = await objects(scene, diagram.id)
    await scene.store.delete(BUCKET, key)

    with pytest.raises(ObjectMissing):
        await read(scene, diagram.id, 1)


async def test_only_archived_versions_miss_the_store_while_it_is_away(scene: Scene, away: Archive) -> None:
    diagram = await with_versions(scene, 2)
    await scene.archiver().archive_old()
    scene.use(away)

    assert await canvas(scene, diagram.id, 2) == {"n": 2}
    with pytest.raises(ObjectStoreUnavailable):
        await read(scene, diagram.id, 1)


async def test_a_version_that_was_never_made_is_not_found(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)

    with pytest.raises(VersionNotFound):
        await read(scene, diagram.id, 3)


async def test_a_version_deleted_while_it_is_read_is_not_found(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)
    await scene.archiver().archive_old()

    class DeletedMeanwhile(Archive):
        async def content(self, key: str, sha256: str) -> tuple[bytes | None, str | None]:
            await scene.ask(DeleteDiagram(id=diagram.id))
            await scene.archiver().remove_deleted()
            return await super().content(key, sha256)

    scene.use(DeletedMeanwhile(scene.store, scene.metrics))
    with pytest.raises(DiagramNotFound):
        await read(scene, diagram.id, 1)


async def test_a_deleted_diagram_leaves_no_objects(scene: Scene) -> None:
    diagram, kept = await with_versions(scene, 3), await with_versions(scene, 2)
    archiver = scene.archiver()
    await archiver.archive_old()
    await scene.ask(DeleteDiagram(id=diagram.id))

    assert await archiver.remove_deleted() == 2

    assert await objects(scene, diagram.id) == []
    assert await canvas(scene, kept.id, 1) == CANVAS


async def test_a_deletion_is_cleared_away_later_if_the_store_is_away(scene: Scene, away: Archive) -> None:
    diagram = await with_versions(scene, 2)
    await scene.archiver().archive_old()
    await scene.ask(DeleteDiagram(id=diagram.id))
    archiver = scene.archiver(away)
    with pytest.raises(ObjectStoreUnavailable):
        await archiver.remove_deleted()

    assert await scene.archiver().remove_deleted() == 1  # another process: nothing was kept in memory
    assert await objects(scene, diagram.id) == []


async def test_a_diagram_deleted_during_its_upload_leaves_no_object(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)

    class DeletedMeanwhile(Archive):
        async def store(self, file_id: UUID, number: int, content: Content) -> ArchivedContent:
            archived = await super().store(file_id, number, content)
            await scene.ask(DeleteDiagram(id=diagram.id))
            return archived

    assert await scene.archiver(DeletedMeanwhile(scene.store, scene.metrics)).archive_old() == 0
    assert await objects(scene, diagram.id) == []


async def test_objects_that_no_deletion_speaks_of_are_left_alone(scene: Scene) -> None:
    """A restored or a wrong database must not cost the only copy of what it does not know."""
    unknown = uuid4()
    await scene.store.put(BUCKET, f"{unknown}/1/abc", b"content")

    await scene.archiver().remove_deleted()

    assert await objects(scene, unknown) == [f"{unknown}/1/abc"]
    await scene.store.delete(BUCKET, f"{unknown}/1/abc")


async def test_requests_to_the_store_are_counted_by_operation(scene: Scene) -> None:
    diagram = await with_versions(scene, 2)
    await scene.archiver().archive_old()
    await read(scene, diagram.id, 1)

    counted = {
        operation: scene.registry.get_sample_value("diagram_service_storage_operations_total", {"operation": operation})
        for operation in ("put", "get")
    }
    assert counted == {"put": 1, "get": 2}
    assert scene.registry.get_sample_value("diagram_service_archived_versions_total") == 1
