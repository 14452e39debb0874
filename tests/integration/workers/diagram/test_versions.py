"""Versions that are open for a while, that have labels, and that come back."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis.objects import ObjectStoreUnavailable, open_object_store
from chassis.unit_of_work import AlreadyHandled
from contracts.diagram.diagrams import (
    DeleteDiagram,
    Diagram,
    DiagramNotFound,
    DiagramSummary,
    GetDiagram,
    InTrash,
    RevisionRequired,
    StaleRevision,
    TrashDiagram,
)
from contracts.diagram.versions import (
    ChangeVersion,
    CreateVersion,
    GetVersion,
    ListVersions,
    RestoreVersion,
    Version,
    VersionNotFound,
    VersionSummary,
)
from contracts.envelope import Actor, ActorKind
from tests.integration.workers.diagram.scene import Scene
from tests.object_store import S3
from workers.diagram.archive.objects import Archive
from workers.diagram.diagrams.storage import MANY_ELEMENTS
from workers.diagram.versions import storage
from workers.diagram.versions.handlers import RestoredDifferently


async def draw(scene: Scene, diagram: DiagramSummary, by: str | Actor = "ada", **fields: Any) -> DiagramSummary:
    """A change as an editor makes it that saves all the time."""
    return await scene.change(diagram, by, checkpoint="auto", **fields)


async def versions(scene: Scene, diagram: DiagramSummary) -> list[VersionSummary]:
    """Oldest first."""
    return list(reversed((await scene.ask(ListVersions(id=diagram.id, limit=100))).items))


async def version(scene: Scene, diagram: DiagramSummary, number: int) -> Version:
    found = await scene.ask(GetVersion(id=diagram.id, number=number))
    assert isinstance(found, Version)
    return found


def canvas(whole: Diagram | Version) -> Any:
    return whole.model_dump(mode="json")["canvas_data"]


def elements(*names: object, deleted: tuple[object, ...] = ()) -> dict[str, Any]:
    return {
        "elements": [
            *({"id": f"{name}", "isDeleted": False} for name in names),
            *({"id": f"{name}", "isDeleted": True} for name in deleted),
        ]
    }


async def age(scene: Scene, diagram: DiagramSummary, seconds: float) -> None:
    """As if that much time had gone by since the newest version was opened."""
    async with scene.database.connection() as connection:
        await connection.execute(
            "UPDATE versions SET open_until = open_until - $2::interval WHERE file_id = $1",
            diagram.id,
            timedelta(seconds=seconds),
        )


async def test_an_hour_of_drawing_is_one_version_as_long_as_it_is_open(scene: Scene) -> None:
    created = await scene.create(canvas_data=elements())
    drawn = created
    for count in range(1, 21):
        drawn = await draw(scene, drawn, canvas_data=elements(*range(count)), expected_revision=drawn.revision)

    assert (drawn.version, drawn.revision) == (2, 21)
    first, open_one = await versions(scene, created)
    assert (first.open, open_one.open) == (False, True)
    assert open_one.updated_at == drawn.updated_at > open_one.created_at
    assert open_one.size_bytes == drawn.size_bytes
    assert canvas(await version(scene, drawn, 2)) == elements(*range(20))
    assert canvas(await version(scene, drawn, 1)) == elements()
    assert canvas(await scene.ask(GetDiagram(id=drawn.id))) == elements(*range(20))


async def test_a_change_that_an_open_version_takes_is_a_change_as_any_other(scene: Scene) -> None:
    created = await scene.create(note_content="")
    await draw(scene, created, note_content="one")
    taken = await draw(scene, created, note_content="one two", title="Other")

    assert [event.sequence for event in scene.relay.events] == [1, 2, 3]
    assert scene.relay.payloads[1]["changed"] == ["note_content", "version"]
    assert scene.relay.payloads[2]["changed"] == ["title", "note_content"]
    assert (scene.relay.payloads[2]["version"], scene.relay.payloads[2]["revision"]) == (2, 3)
    assert scene.caches.names[-1] == f"diagram/{created.id}"
    with pytest.raises(StaleRevision) as refusal:
        await draw(scene, created, note_content="late", expected_revision=2)
    assert refusal.value.extra == {"current_revision": 3}
    assert await draw(scene, taken, note_content="one two") == taken  # nothing differs


async def test_a_change_that_asks_for_nothing_makes_a_version_each_time(scene: Scene) -> None:
    created = await scene.create(note_content="")
    await draw(scene, created, note_content="one")
    await scene.change(created, note_content="two")
    last = await scene.change(created, note_content="three")

    assert last.version == 4
    assert [one.open for one in await versions(scene, created)] == [False] * 4
    assert (await draw(scene, created, note_content="four")).version == 5  # into none that was not opened


async def test_a_version_closes_when_its_time_is_over(scene: Scene) -> None:
    created = await scene.create(note_content="")
    drawn = await draw(scene, created, note_content="one")
    await age(scene, drawn, 299)
    assert (await draw(scene, created, note_content="two")).version == 2
    await age(scene, drawn, 2)

    assert (await draw(scene, created, note_content="three")).version == 3
    assert (await version(scene, drawn, 2)).note_content == "two"


async def test_what_is_shown_as_closed_is_no_longer_changed(scene: Scene) -> None:
    created = await scene.create(note_content="")
    drawn = await draw(scene, created, note_content="one")
    await age(scene, drawn, 301)
    assert (await versions(scene, created))[-1].open  # a change that has looked at the clock may yet be committed
    await age(scene, drawn, 60)
    assert not (await versions(scene, created))[-1].open
    assert not (await version(scene, drawn, 2)).open


async def test_the_window_is_a_setting(scene: Scene) -> None:
    scene.tools = replace(scene.tools, version_window=timedelta(0))
    created = await scene.create(note_content="")
    for number in range(3):
        await draw(scene, created, note_content=f"{number}")

    assert len(await versions(scene, created)) == 4


async def test_no_version_takes_the_change_of_another_author(scene: Scene) -> None:
    """Today only the owner changes a diagram, and programs that act for him; a share adds others."""
    created = await scene.create(note_content="")
    await draw(scene, created, note_content="mine")
    owner = scene.actors["ada"]
    program = Actor(kind=ActorKind.PRODUCER, id=owner.id, name="ci")
    theirs = await draw(scene, created, program, note_content="built")
    again = await draw(scene, created, program, note_content="built again")
    mine = await draw(scene, created, note_content="mine again")

    assert (theirs.version, again.version, mine.version) == (3, 3, 4)
    assert [one.created_by_producer for one in await versions(scene, created)] == [None, None, "ci", None]
    assert (await version(scene, created, 2)).note_content == "mine"
    assert (await version(scene, created, 3)).note_content == "built again"
    async with scene.database.connection() as connection:  # as if somebody else had begun it
        await connection.execute("UPDATE versions SET created_by = $1 WHERE number = 4", uuid7())
    assert (await draw(scene, created, note_content="mine at last")).version == 5


async def test_a_new_diagram_says_which_program_made_it(scene: Scene) -> None:
    program = Actor(kind=ActorKind.PRODUCER, id=scene.actors["ada"].id, name="ci")
    reply = await scene.create(program)

    assert [one.created_by_producer for one in await versions(scene, reply)] == ["ci"]


async def test_what_removes_many_elements_leaves_them_in_a_version(scene: Scene) -> None:
    created = await scene.create(canvas_data=elements())
    names = range(2 * MANY_ELEMENTS)
    await draw(scene, created, canvas_data=elements(*names))
    fewer = names[: -MANY_ELEMENTS + 1]
    assert (await draw(scene, created, canvas_data=elements(*fewer))).version == 2
    assert (await draw(scene, created, canvas_data=elements(*names))).version == 2

    emptied = await draw(scene, created, canvas_data=elements(*names[:-MANY_ELEMENTS]))

    assert emptied.version == 3
    assert canvas(await version(scene, created, 2)) == elements(*names)
    assert (await versions(scene, created))[-1].open


@pytest.mark.parametrize(
    "after",
    [
        elements(deleted=tuple(range(MANY_ELEMENTS))),  # as Excalidraw keeps what was deleted
        elements(*(f"new {number}" for number in range(MANY_ELEMENTS))),  # as many others in their place
        {"elements": "none"},
        {},
        None,
    ],
)
async def test_a_removal_is_told_by_the_elements_names(scene: Scene, after: Any) -> None:
    created = await scene.create(canvas_data=elements())
    await draw(scene, created, canvas_data=elements(*range(MANY_ELEMENTS)))

    assert (await draw(scene, created, canvas_data=after)).version == 3


@pytest.mark.parametrize("odd", [{"elements": [1, None, "x", [], {"id": 7}]}, {"elements": {}}, {"n": 1}])
async def test_a_canvas_of_any_form_is_taken(scene: Scene, odd: Any) -> None:
    created = await scene.create()
    await draw(scene, created, canvas_data=odd)
    taken = await draw(scene, created, canvas_data={**odd, "more": True})

    assert taken.version == 2
    assert canvas(await version(scene, created, 2)) == {**odd, "more": True}


async def test_a_version_that_a_link_shows_takes_no_change(scene: Scene) -> None:
    created = await scene.create(note_content="")
    await draw(scene, created, note_content="shared")
    await scene.administrator.execute(
        "INSERT INTO diagram.shares (id, kind, file_id, permission, token_hash, version, created_by)"
        " VALUES ($1, 'link', $2, 'view', sha256('x'), 2, $1)",
        uuid7(),
        created.id,
    )

    assert (await draw(scene, created, note_content="more")).version == 3


async def test_concurrent_drawing_loses_nothing_and_makes_no_gap(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": -1})
    drawn = await asyncio.gather(
        *(draw(scene, created, canvas_data={"n": n}) for n in range(20)),
        *(scene.change(created, canvas_data={"m": n}) for n in range(5)),
    )

    kept = await versions(scene, created)
    assert [one.number for one in kept] == list(range(1, len(kept) + 1))
    assert sorted(one.revision for one in drawn) == list(range(2, 27))
    now = await scene.ask(GetDiagram(id=created.id))
    assert (now.version, now.revision) == (len(kept), 26)
    assert canvas(now) == canvas(await version(scene, created, now.version))


async def test_an_open_version_stays_out_of_the_object_store(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": 1})
    await draw(scene, created, canvas_data={"n": 2})

    assert await scene.archiver().archive_old() == 1

    await draw(scene, created, canvas_data={"n": 3})
    assert canvas(await version(scene, created, 1)) == {"n": 1}
    assert canvas(await version(scene, created, 2)) == {"n": 3}


async def test_a_release_that_knows_of_no_open_version_makes_its_successor(scene: Scene) -> None:
    """The previous release's worker, beside ours: the version that we opened is closed by not being the newest."""
    created = await scene.create(note_content="")
    await draw(scene, created, note_content="ours")
    async with scene.database.transaction() as connection:
        await connection.execute("UPDATE files SET version = 3, revision = 3, note_content = 'theirs'")
        await connection.execute(
            "INSERT INTO versions (file_id, number, note_content, created_by) VALUES ($1, 3, 'theirs', $2)",
            created.id,
            scene.actors["ada"].id,
        )

    drawn = await draw(scene, created, note_content="ours again")

    assert drawn.version == 4
    assert [one.open for one in await versions(scene, created)] == [False, False, False, True]
    assert (await version(scene, created, 2)).note_content == "ours"


# Labels


async def test_a_label_closes_the_open_version_and_the_diagram_stays_as_it_is(scene: Scene) -> None:
    created = await scene.create(note_content="")
    drawn = await draw(scene, created, note_content="one")
    saved = await scene.ask(CreateVersion(id=created.id, label="  First draft ", expected_revision=2))

    assert (saved.number, saved.label, saved.open) == (2, "First draft", False)
    assert (saved.diagram_id, saved.diagram_revision) == (created.id, drawn.revision)
    assert scene.relay.payloads[-1]["changed"] == ["versions"]
    assert scene.relay.events[-1].sequence == 3
    assert (await draw(scene, created, note_content="two", expected_revision=drawn.revision)).version == 3
    assert (await version(scene, created, 2)).note_content == "one"


async def test_a_version_can_be_closed_without_a_label_and_once_more_is_nothing(scene: Scene) -> None:
    created = await scene.create(note_content="")
    await draw(scene, created, note_content="one")
    closed = await scene.ask(CreateVersion(id=created.id))
    again = await scene.ask(CreateVersion(id=created.id))

    assert (closed.number, closed.open) == (2, False)
    assert again == closed
    assert len(scene.relay.events) == 3
    assert (await draw(scene, created, note_content="two")).version == 3


async def test_a_label_never_takes_the_place_of_another(scene: Scene) -> None:
    created = await scene.create(note_content="one")
    await scene.ask(CreateVersion(id=created.id, label="Draft"))
    approved = await scene.ask(CreateVersion(id=created.id, label="Approved", description="By all"))

    assert (approved.number, approved.diagram_revision) == (2, 2)
    first, second = await versions(scene, created)
    assert (first.label, second.label, second.description) == ("Draft", "Approved", "By all")
    assert second.size_bytes == first.size_bytes
    assert (await version(scene, created, 2)).note_content == "one"
    assert scene.relay.payloads[-1]["changed"] == ["version"]
    now = await scene.ask(GetDiagram(id=created.id))
    assert (now.version, now.revision) == (2, 2)


async def test_a_label_can_be_changed_and_removed_and_the_content_stays(scene: Scene) -> None:
    created = await scene.create(note_content="one")
    await scene.change(created, note_content="two")
    named = await scene.ask(ChangeVersion(id=created.id, number=1, label="Frist", description="d"))
    mended = await scene.ask(ChangeVersion(id=created.id, number=1, label="First"))
    same = await scene.ask(ChangeVersion(id=created.id, number=1, label="First"))
    bare = await scene.ask(ChangeVersion(id=created.id, number=1, label=None, description=None))

    assert (named.label, mended.label, mended.description) == ("Frist", "First", "d")
    assert same == mended
    assert (bare.label, bare.description) == (None, None)
    assert [event.sequence for event in scene.relay.events] == [1, 2, 3, 4, 5]
    assert (await scene.ask(GetDiagram(id=created.id))).revision == 2
    assert (await version(scene, created, 1)).note_content == "one"


async def test_an_open_version_that_got_a_label_stays_closed_when_it_loses_it(scene: Scene) -> None:
    created = await scene.create(note_content="")
    await draw(scene, created, note_content="one")
    assert (await scene.ask(ChangeVersion(id=created.id, number=2))).open  # nothing was asked
    assert not (await scene.ask(ChangeVersion(id=created.id, number=2, label="x"))).open
    assert not (await scene.ask(ChangeVersion(id=created.id, number=2, label=None))).open

    assert (await draw(scene, created, note_content="two")).version == 3


async def test_an_archived_version_takes_a_label(scene: Scene) -> None:
    created = await scene.create(note_content="one")
    await scene.change(created, note_content="two")
    await scene.archiver().archive_old()

    await scene.ask(ChangeVersion(id=created.id, number=1, label="First"))

    found = await version(scene, created, 1)
    assert (found.label, found.note_content) == ("First", "one")


# Restored


async def restore(scene: Scene, diagram: DiagramSummary, number: int, **fields: Any) -> DiagramSummary:
    command = RestoreVersion(id=diagram.id, number=number, **{"expected_revision": "*", **fields})
    reply = await scene.ask(command)
    assert isinstance(reply, DiagramSummary)
    return reply


@pytest.mark.parametrize("archived", [False, True])
async def test_an_old_version_comes_back_as_the_next(scene: Scene, archived: bool) -> None:  # noqa: FBT001 - a table
    old = {"z": [1.5, 10**30, 1e-7, None, True, "ä\u2028🙂"], "a": {"": ""}}
    created = await scene.create(canvas_data=old, note_content="äö\n")
    changed = await scene.change(created, canvas_data={"n": 2}, note_content="two")
    if archived:
        assert await scene.archiver().archive_old() == 1

    restored = await restore(scene, created, 1, expected_revision=changed.revision)

    assert (restored.version, restored.revision, restored.size_bytes) == (3, 3, created.size_bytes)
    third = await version(scene, created, 3)
    assert (canvas(third), third.note_content, third.restored_from, third.open) == (old, "äö\n", 1, False)
    now = await scene.ask(GetDiagram(id=created.id))
    assert (canvas(now), now.note_content) == (old, "äö\n")
    assert canvas(await version(scene, created, 2)) == {"n": 2}
    assert scene.relay.payloads[-1]["changed"] == ["canvas_data", "note_content", "version"]
    assert scene.caches.names[-1] == f"diagram/{created.id}"
    assert scene.registry.get_sample_value("diagram_service_versions_restored_total") == 1


async def test_what_was_open_is_kept_when_an_old_version_comes_back(scene: Scene) -> None:
    created = await scene.create(note_content="old")
    await draw(scene, created, note_content="not yet closed")
    await restore(scene, created, 1)
    drawn = await draw(scene, created, note_content="on from there")

    assert drawn.version == 4
    assert [(await version(scene, created, number)).note_content for number in (1, 2, 3, 4)] == [
        "old", "not yet closed", "old", "on from there",
    ]  # fmt: skip


async def test_restoring_what_is_there_changes_nothing(scene: Scene) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")
    back = await restore(scene, created, 1)

    assert await restore(scene, created, 1) == back
    assert await restore(scene, created, 3) == back
    assert len(scene.relay.events) == 3


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize(
    ("before", "emptied", "after"),
    [
        ({"type": "mixed", "canvas_data": {}, "note_content": "n"}, "note", "mixed"),
        ({"type": "canvas", "canvas_data": {}}, "note", "canvas"),
        ({"type": "note", "note_content": "n"}, "canvas", "note"),
        ({"type": "note"}, "canvas", "canvas"),
    ],
)
async def test_the_type_follows_the_content_that_comes_back(
    scene: Scene,
    before: dict[str, Any],
    emptied: str,
    after: str,
    archived: bool,  # noqa: FBT001 - a table
) -> None:
    created = await scene.create(**before)
    content: dict[str, Any] = {"canvas_data": {"n": 1}} if emptied == "canvas" else {"note_content": "x"}
    changed: dict[str, Any] = {"type": emptied, "canvas_data": None, "note_content": None, **content}
    await scene.change(created, **changed)
    if archived:
        await scene.archiver().archive_old()

    restored = await restore(scene, created, 1)

    assert restored.type == after
    now = await scene.ask(GetDiagram(id=created.id))
    assert (canvas(now), now.note_content) == (before.get("canvas_data"), before.get("note_content"))


async def test_a_restore_says_what_it_is_based_on(scene: Scene) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")

    with pytest.raises(RevisionRequired):
        await restore(scene, created, 1, expected_revision=None)
    with pytest.raises(StaleRevision):
        await restore(scene, created, 1, expected_revision=1)
    assert (await scene.ask(GetDiagram(id=created.id))).note_content == "new"


async def test_what_reads_back_differently_is_not_restored(scene: Scene) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")
    scratch = "CREATE FUNCTION diagram.scratch() RETURNS trigger LANGUAGE plpgsql AS"
    await scene.administrator.execute(
        f"{scratch} $$ BEGIN NEW.note_content := 'scratched'; RETURN NEW; END $$;"
        "CREATE TRIGGER scratch BEFORE INSERT ON diagram.versions FOR EACH ROW EXECUTE FUNCTION diagram.scratch()"
    )
    try:
        with pytest.raises(RestoredDifferently):
            await restore(scene, created, 1)
    finally:
        await scene.administrator.execute("DROP FUNCTION diagram.scratch() CASCADE")
    now = await scene.ask(GetDiagram(id=created.id))
    assert (now.version, now.note_content) == (2, "new")
    assert (await restore(scene, created, 1)).version == 3


async def test_a_version_that_is_archived_while_it_is_restored_is_found_where_it_went(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")
    lock = storage.source
    archived: list[int] = []

    async def archive_first(*arguments: Any) -> Any:
        if not archived:
            archived.append(await scene.archiver().archive_old())
        return await lock(*arguments)

    monkeypatch.setattr(storage, "source", archive_first)
    restored = await restore(scene, created, 1)

    assert archived == [1]
    assert (restored.version, (await version(scene, created, 3)).note_content) == (3, "old")


async def test_a_restore_waits_for_the_object_store(scene: Scene, s3: S3) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")
    await scene.archiver().archive_old()
    ours = scene.tools.archive
    command = RestoreVersion(id=created.id, number=1, expected_revision=2)
    envelope = scene.envelope(command)
    async with open_object_store("http://127.0.0.1:1", s3.access_key, s3.secret_key) as away:
        scene.use(Archive(away, scene.metrics))
        with pytest.raises(ObjectStoreUnavailable):
            await scene.deliver(command, envelope)
    scene.use(ours)

    assert (await scene.deliver(command, envelope)).version == 3
    with pytest.raises(AlreadyHandled):
        await scene.deliver(command, envelope)


async def test_nobody_names_or_restores_versions_that_are_not_theirs(scene: Scene) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")
    for command in (
        CreateVersion(id=created.id, label="x"),
        ChangeVersion(id=created.id, number=1, label="x"),
        RestoreVersion(id=created.id, number=1, expected_revision="*"),
    ):
        with pytest.raises(DiagramNotFound):
            await scene.ask(command, by="bob")
        with pytest.raises(DiagramNotFound):
            await scene.ask(command.model_copy(update={"id": UUID(int=1)}))
    for missing in (
        ChangeVersion(id=created.id, number=3, label="x"),
        RestoreVersion(id=created.id, number=3, expected_revision="*"),
    ):
        with pytest.raises(VersionNotFound):
            await scene.ask(missing)


async def test_in_the_trash_no_version_is_named_or_restored(scene: Scene) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")
    await scene.ask(TrashDiagram(id=created.id))
    for command in (
        CreateVersion(id=created.id, label="x"),
        ChangeVersion(id=created.id, number=1, label="x"),
        RestoreVersion(id=created.id, number=1, expected_revision="*"),
    ):
        with pytest.raises(InTrash):
            await scene.ask(command)


async def test_the_repeat_of_a_restore_gets_the_first_outcome_though_the_diagram_is_gone(scene: Scene) -> None:
    created = await scene.create(note_content="old")
    await scene.change(created, note_content="new")
    command = RestoreVersion(id=created.id, number=1, expected_revision="*")
    envelope = scene.envelope(command)
    await scene.deliver(command, envelope)
    await scene.ask(DeleteDiagram(id=created.id))

    with pytest.raises(AlreadyHandled):
        await scene.deliver(command, envelope)
