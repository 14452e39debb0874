"""What commands make of a diagram, and what they leave alone."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from chassis.unit_of_work import AlreadyHandled
from contracts.diagram.diagrams import (
    ChangeDiagram,
    CreateDiagram,
    DeleteDiagram,
    Diagram,
    DiagramNotFound,
    DiagramSummary,
    GetDiagram,
    InTrash,
    NotInTrash,
    RestoreDiagram,
    RevisionRequired,
    StaleRevision,
    TrashDiagram,
)
from contracts.diagram.versions import GetVersion, ListVersions, Version
from contracts.envelope import Actor, ActorKind
from contracts.message import Command
from contracts.outcome import CommandOutcome, Status, outcome_query
from contracts.refusal import Forbidden, Invalid
from tests.integration.workers.diagram.scene import Scene

CANVAS = {"elements": [{"id": "ä", "x": 1.5}]}


def canvas(whole: Diagram | Version) -> Any:
    return whole.model_dump(mode="json")["canvas_data"]


async def test_a_new_diagram_is_at_version_and_revision_one(scene: Scene) -> None:
    created = await scene.create(canvas_data=CANVAS, note_content="ÄÖ", tags=("a", "b", "a"))

    assert (created.version, created.revision, created.permission) == (1, 1, "owner")
    assert created.id.version == 7
    assert created.tags == ("a", "b")
    assert created.size_bytes == len('{"elements":[{"id":"ä","x":1.5}]}'.encode()) + 4
    assert created.owner_id == created.updated_by == scene.actors["ada"].id
    read = await scene.ask(GetDiagram(id=created.id))
    whole = Diagram(**created.model_dump(), canvas_data=CANVAS, note_content="ÄÖ")
    assert read.model_dump(mode="json") == whole.model_dump(mode="json")
    first = await scene.ask(GetVersion(id=created.id, number=1))
    assert (canvas(first), first.note_content, first.size_bytes) == (CANVAS, "ÄÖ", created.size_bytes)


async def test_a_reply_to_a_write_leaves_the_content_out(scene: Scene) -> None:
    created = await scene.create(canvas_data=CANVAS)
    changed = await scene.change(created, canvas_data={})

    assert type(created) is type(changed) is DiagramSummary


async def test_the_reply_to_a_create_is_what_is_then_read(scene: Scene) -> None:
    created = await scene.create(tags=("a", "b"), canvas_data={"n": [1]}, note_content="ü")

    read = await scene.ask(GetDiagram(id=created.id))

    assert DiagramSummary.model_validate(read.model_dump()) == created


async def test_a_new_diagram_is_announced_to_who_wants_to_know(scene: Scene) -> None:
    created = await scene.create()

    (event,) = scene.relay.events
    assert (event.type, event.sequence) == ("autograph.diagram.diagram_created.v1", 1)
    assert event.subject == f"diagram/{created.id}"
    assert event.partitionkey == str(created.owner_id)


async def test_events_about_a_diagram_are_numbered_without_gaps(scene: Scene) -> None:
    created = await scene.create()
    await scene.change(created, title="Other")
    await scene.change(created, title="Other")
    await scene.ask(TrashDiagram(id=created.id))
    await scene.ask(TrashDiagram(id=created.id))
    await scene.ask(RestoreDiagram(id=created.id))
    await scene.ask(DeleteDiagram(id=created.id))

    assert [event.sequence for event in scene.relay.events] == [1, 2, 3, 4, 5]
    assert scene.relay.actions() == [
        "diagram_created", "diagram_changed", "diagram_trashed", "diagram_restored", "diagram_deleted",
    ]  # fmt: skip


async def test_a_change_of_content_makes_the_next_version_and_keeps_the_former(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": 1}, note_content="one")
    changed = await scene.change(created, expected_revision=1, canvas_data={"n": 2}, version_label="Second")

    assert (changed.version, changed.revision) == (2, 2)
    assert changed.size_bytes == len('{"n":2}') + len("one")
    first = await scene.ask(GetVersion(id=created.id, number=1))
    second = await scene.ask(GetVersion(id=created.id, number=2))
    assert (canvas(first), first.note_content, first.label) == ({"n": 1}, "one", None)
    assert (canvas(second), second.note_content, second.label) == ({"n": 2}, "one", "Second")
    assert scene.relay.payloads[-1]["changed"] == ["canvas_data", "version"]


async def test_a_new_title_makes_no_version_but_a_revision(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": 1})
    changed = await scene.ask(ChangeDiagram(id=created.id, title="Other", tags=("x",)))

    assert (changed.title, changed.tags, changed.version, changed.revision) == ("Other", ("x",), 1, 2)
    assert changed.updated_at > created.updated_at
    assert await scene.count("versions") == 1


async def test_the_same_content_again_changes_nothing(scene: Scene) -> None:
    created = await scene.create(canvas_data={"a": 1, "b": [1.0]}, note_content="x")
    changed = await scene.change(created, title="Plan", canvas_data={"b": [1], "a": 1}, note_content="x")

    assert changed == created
    assert scene.relay.actions() == ["diagram_created"]


async def test_a_labelled_save_is_a_version_even_with_the_same_content(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": 1})
    changed = await scene.ask(ChangeDiagram(id=created.id, version_label="Approved"))

    assert (changed.version, changed.revision, changed.size_bytes) == (2, 2, created.size_bytes)
    approved = await scene.ask(GetVersion(id=created.id, number=2))
    assert (canvas(approved), approved.label) == ({"n": 1}, "Approved")


async def test_null_empties_content_and_absence_leaves_it(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": 1}, note_content="one")
    changed = await scene.change(created, canvas_data=None)
    read = await scene.ask(GetDiagram(id=created.id))

    assert (read.canvas_data, read.note_content) == (None, "one")
    assert changed.size_bytes == 3


@pytest.mark.parametrize("field", ["title", "type", "tags"])
async def test_a_title_a_type_and_tags_cannot_be_null(scene: Scene, field: str) -> None:
    created = await scene.create()
    with pytest.raises(Invalid) as refusal:
        await scene.ask(ChangeDiagram.model_validate({"id": created.id, field: None}))

    assert refusal.value.errors[0].pointer == f"/{field}"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"type": "canvas", "note_content": "x"}, "/note_content"),
        ({"type": "note", "canvas_data": {}}, "/canvas_data"),
    ],
)
async def test_content_must_fit_the_type(scene: Scene, fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await scene.create(**fields)

    assert refusal.value.errors[0].pointer == pointer
    assert await scene.count("files") == 0


async def test_a_type_must_fit_the_content_that_is_there(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": 1}, note_content="one")

    with pytest.raises(Invalid) as refusal:
        await scene.change(created, type="canvas")

    assert refusal.value.errors[0].pointer == "/type"
    changed = await scene.change(created, type="canvas", note_content=None)
    assert changed.type == "canvas"


async def test_a_change_of_content_must_say_what_it_is_based_on(scene: Scene) -> None:
    created = await scene.create()

    with pytest.raises(RevisionRequired):
        await scene.change(created, note_content="x", expected_revision=None)


async def test_a_stale_revision_is_refused_with_the_current_one(scene: Scene) -> None:
    created = await scene.create()
    await scene.change(created, title="Other")

    for command in (
        ChangeDiagram(id=created.id, expected_revision=1, title="Mine"),
        TrashDiagram(id=created.id, expected_revision=1),
        DeleteDiagram(id=created.id, expected_revision=1),
    ):
        with pytest.raises(StaleRevision) as refusal:
            await scene.ask(command)
        assert refusal.value.extra == {"current_revision": 2}
    assert (await scene.ask(GetDiagram(id=created.id))).title == "Other"


async def test_concurrent_changes_make_versions_without_gaps(scene: Scene) -> None:
    created = await scene.create(canvas_data={"n": -1})
    await asyncio.gather(*(scene.change(created, canvas_data={"n": n}) for n in range(50)))

    page = await scene.ask(ListVersions(id=created.id, limit=100))
    assert [version.number for version in page.items] == list(range(51, 0, -1))
    diagram = await scene.ask(GetDiagram(id=created.id))
    newest = await scene.ask(GetVersion(id=created.id, number=51))
    assert (diagram.version, diagram.revision) == (51, 51)
    assert diagram.canvas_data == newest.canvas_data


async def test_of_concurrent_changes_of_one_revision_exactly_one_wins(scene: Scene) -> None:
    created = await scene.create()
    ended = await asyncio.gather(
        *(scene.change(created, expected_revision=1, note_content=f"{n}") for n in range(20)), return_exceptions=True
    )

    winners = [end for end in ended if isinstance(end, DiagramSummary)]
    assert [winner.revision for winner in winners] == [2]
    assert sum(isinstance(end, StaleRevision) for end in ended) == 19
    assert await scene.count("versions") == 2


async def test_a_redelivered_command_changes_nothing(scene: Scene) -> None:
    created = await scene.create()
    commands: tuple[Command[Any], ...] = (
        CreateDiagram(title="Second", type="note"),
        ChangeDiagram(id=created.id, expected_revision="*", note_content="x"),
        TrashDiagram(id=created.id),
        RestoreDiagram(id=created.id),
        DeleteDiagram(id=created.id),
    )
    for command in commands:
        envelope = scene.envelope(command)
        reply = await scene.deliver(command, envelope)
        before = await scene.count("files"), await scene.count("versions"), len(scene.relay.events)
        with pytest.raises(AlreadyHandled):
            await scene.deliver(command, envelope)
        assert (await scene.count("files"), await scene.count("versions"), len(scene.relay.events)) == before

        told = await scene.ask(outcome_query("diagram")(command_id=envelope.id))
        assert told.outcome is not None
        assert told.outcome.status is Status.SUCCEEDED
        assert told.outcome.parsed() == (None if reply is None else reply.model_dump(mode="json"))


async def test_one_asks_only_after_ones_own_commands(scene: Scene) -> None:
    command = CreateDiagram(title="Mine", type="note")
    envelope = scene.envelope(command)
    await scene.deliver(command, envelope)

    assert await scene.ask(outcome_query("diagram")(command_id=envelope.id), by="bob") == CommandOutcome(outcome=None)


async def test_a_trashed_diagram_can_be_read_and_restored_but_not_changed(scene: Scene) -> None:
    created = await scene.create()
    await scene.ask(TrashDiagram(id=created.id))
    trashed = await scene.ask(GetDiagram(id=created.id))

    assert trashed.deleted_at is not None
    assert trashed.revision == 2
    with pytest.raises(InTrash):
        await scene.change(created, title="Other")
    restored = await scene.ask(RestoreDiagram(id=created.id, expected_revision=2))
    assert (restored.deleted_at, restored.revision) == (None, 3)
    with pytest.raises(NotInTrash):
        await scene.ask(RestoreDiagram(id=created.id))


async def test_trashing_twice_is_trashing_once(scene: Scene) -> None:
    created = await scene.create()
    await scene.ask(TrashDiagram(id=created.id, expected_revision=1))
    await scene.ask(TrashDiagram(id=created.id, expected_revision=1))

    assert (await scene.ask(GetDiagram(id=created.id))).revision == 2
    assert scene.relay.actions() == ["diagram_created", "diagram_trashed"]


async def test_a_deleted_diagram_is_gone_with_its_versions(scene: Scene) -> None:
    created = await scene.create()
    await scene.change(created, note_content="x")
    await scene.ask(DeleteDiagram(id=created.id))

    assert await scene.count("versions") == 0
    with pytest.raises(DiagramNotFound):
        await scene.ask(GetDiagram(id=created.id))


async def test_anothers_diagram_is_answered_like_one_that_does_not_exist(scene: Scene) -> None:
    created = await scene.create()
    before = await scene.ask(GetDiagram(id=created.id))

    def all_ways(identity: UUID) -> list[Any]:
        return [
            GetDiagram(id=identity),
            ListVersions(id=identity),
            GetVersion(id=identity, number=1),
            ChangeDiagram(id=identity, title="Bob's"),
            TrashDiagram(id=identity),
            RestoreDiagram(id=identity),
            DeleteDiagram(id=identity, expected_revision=99),
        ]

    for foreign, absent in zip(all_ways(created.id), all_ways(uuid7()), strict=True):
        with pytest.raises(DiagramNotFound) as of_another:
            await scene.ask(foreign, by="bob")
        with pytest.raises(DiagramNotFound) as of_nobody:
            await scene.ask(absent, by="bob")
        assert of_another.value.problem() == of_nobody.value.problem()
    assert await scene.ask(GetDiagram(id=created.id)) == before


async def test_every_write_invalidates_what_readers_hold_of_the_diagram(scene: Scene) -> None:
    created = await scene.create()
    name = f"diagram/{created.id}"
    for command in (
        ChangeDiagram(id=created.id, title="Other"),
        ChangeDiagram(id=created.id, title="Other"),  # nothing: but it tells what the one before has made
        TrashDiagram(id=created.id),
        RestoreDiagram(id=created.id),
        DeleteDiagram(id=created.id),
    ):
        scene.caches.names.clear()
        await scene.ask(command)
        assert scene.caches.names == [name]


@pytest.mark.parametrize("kind", [ActorKind.ANONYMOUS, ActorKind.SERVICE])
async def test_who_is_nobodys_user_owns_no_diagrams(scene: Scene, kind: ActorKind) -> None:
    with pytest.raises(Forbidden):
        await scene.ask(CreateDiagram(title="Plan", type="note"), by=Actor(kind=kind, id=uuid7()))


async def test_a_user_that_does_not_exist_is_refused_and_not_parked(scene: Scene) -> None:
    with pytest.raises(Forbidden):
        await scene.ask(CreateDiagram(title="Plan", type="note"), by=Actor(kind=ActorKind.USER, id=uuid7()))


async def test_what_was_done_is_counted_once(scene: Scene) -> None:
    created = await scene.create()
    await scene.change(created, title="Other")
    await scene.change(created, title="Other")
    await scene.ask(TrashDiagram(id=created.id))
    await scene.ask(TrashDiagram(id=created.id))
    with pytest.raises(InTrash):
        await scene.change(created, title="Third")

    counted = {
        name: scene.registry.get_sample_value(f"diagram_service_diagrams_{name}_total")
        for name in ("created", "updated", "deleted")
    }
    assert counted == {"created": 1, "updated": 1, "deleted": 1}
