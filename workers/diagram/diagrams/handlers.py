"""Creating, changing, trashing and reading diagrams."""

from datetime import timedelta

from uuid_utils.compat import uuid7

from chassis.bus.handlers import Handlers
from chassis.unit_of_work import UnitOfWork
from contracts.diagram.diagrams import (
    ChangeDiagram,
    CreateDiagram,
    DeleteDiagram,
    Diagram,
    DiagramCreated,
    DiagramDeleted,
    DiagramRestored,
    DiagramSummary,
    DiagramTrashed,
    GetDiagram,
    RestoreDiagram,
    TrashDiagram,
    ViewDiagram,
)
from contracts.envelope import Envelope
from workers.diagram.diagrams import rules, storage
from workers.diagram.diagrams.storage import Change, LockedDiagram, NewDiagram
from workers.diagram.one_diagram import announce, announce_change, locked
from workers.diagram.policy import authorise
from workers.diagram.rows import producer_of
from workers.diagram.tools import Tools

handlers: Handlers[Tools] = Handlers()


@handlers.answers(CreateDiagram)
async def create_diagram(command: CreateDiagram, envelope: Envelope, tools: Tools) -> DiagramSummary:
    owner = authorise(envelope.actor, command)
    rules.check_type(
        command.type,
        has_canvas=command.canvas_data is not None,
        has_note=command.note_content is not None,
        asked=command.model_fields_set,
    )
    work = tools.ledger.work(envelope)
    new = NewDiagram(
        id=uuid7(),
        owner_id=owner,
        title=command.title,
        type=command.type,
        tags=rules.without_repeats(command.tags),
        canvas_json=command.canvas_data,
        note=command.note_content,
        size_bytes=rules.size_bytes(command.canvas_data, command.note_content),
        now=work.now,
        producer=producer_of(envelope.actor),
    )
    diagram = work.reply(new.summary())
    created = DiagramCreated(
        diagram_id=diagram.id,
        owner_id=owner,
        title=diagram.title,
        type=diagram.type,
        version=diagram.version,
        revision=diagram.revision,
    )
    # A new diagram is in no cache: nothing to invalidate.
    announce(work, created, diagram, sequence=1)
    await storage.create(tools.ledger, work, new)
    tools.metrics.created.inc()
    return diagram


@handlers.answers(ChangeDiagram)
async def change_diagram(command: ChangeDiagram, envelope: Envelope, tools: Tools) -> DiagramSummary:
    """A change of content makes a new version unless the open one takes it; a label always does.

    A command that changes nothing makes no version, no revision and no event.
    """
    owner = authorise(envelope.actor, command)
    rules.check_change(command)
    async with tools.ledger.unit_of_work(envelope) as work:
        found = await locked(work, command, owner)
        rules.check_live(found)
        rules.check_revision(command, found)
        change = _change(command, found, work, tools.version_window)
        changed = await storage.change(work.connection, command.id, change)
        diagram = work.reply(changed.summary if changed else found.summary)
        if changed:
            announce_change(work, diagram, found, *changed.fields)
    if changed:
        tools.metrics.updated.inc()
    return diagram


@handlers.answers(TrashDiagram)
async def trash_diagram(command: TrashDiagram, envelope: Envelope, tools: Tools) -> None:
    """A diagram that is in the trash already stays there, whatever revision was expected: a repeat is no conflict."""
    owner = authorise(envelope.actor, command)
    async with tools.ledger.unit_of_work(envelope) as work:
        found = await locked(work, command, owner)
        if not found.in_trash:
            rules.check_revision(command, found)
            diagram = await storage.trash(work.connection, command.id, work.now)
            event = DiagramTrashed(diagram_id=command.id, owner_id=owner)
            announce(work, event, diagram, sequence=found.next_sequence)
    if not found.in_trash:
        tools.metrics.deleted.inc()


@handlers.answers(RestoreDiagram)
async def restore_diagram(command: RestoreDiagram, envelope: Envelope, tools: Tools) -> DiagramSummary:
    owner = authorise(envelope.actor, command)
    async with tools.ledger.unit_of_work(envelope) as work:
        found = await locked(work, command, owner)
        rules.check_in_trash(found)
        rules.check_revision(command, found)
        diagram = work.reply(await storage.restore(work.connection, command.id))
        event = DiagramRestored(diagram_id=command.id, owner_id=owner)
        announce(work, event, diagram, sequence=found.next_sequence)
    return diagram


@handlers.answers(DeleteDiagram)
async def delete_diagram(command: DeleteDiagram, envelope: Envelope, tools: Tools) -> None:
    """The archiver removes the diagram's objects later."""
    owner = authorise(envelope.actor, command)
    async with tools.ledger.unit_of_work(envelope) as work:
        found = await locked(work, command, owner)
        rules.check_revision(command, found)
        await storage.delete(work.connection, command.id)
        event = DiagramDeleted(diagram_id=command.id, owner_id=owner)
        announce(work, event, found.summary, sequence=found.next_sequence)
    tools.metrics.deleted.inc()


@handlers.answers(GetDiagram)
async def get_diagram(query: GetDiagram, envelope: Envelope, tools: Tools) -> Diagram:
    """Includes diagrams in the trash."""
    owner = authorise(envelope.actor, query)
    return await storage.diagram(tools.diagram_rows, query.id, owner)


@handlers.answers(ViewDiagram)
async def view_diagram(command: ViewDiagram, envelope: Envelope, tools: Tools) -> None:
    """Without an event and without an inbox row: a view that is lost with its worker is no loss."""
    owner = authorise(envelope.actor, command)
    async with tools.ledger.transaction(envelope) as work:
        await storage.view(work.connection, command.id, owner, work.now)


def _change(command: ChangeDiagram, found: LockedDiagram, work: UnitOfWork, window: timedelta) -> Change:
    """Fields that the command does not set keep their values."""
    asked = command.model_fields_set
    change = Change(
        title=command.title if command.title is not None else found.summary.title,
        type=command.type if command.type is not None else found.summary.type,
        tags=rules.without_repeats(command.tags if command.tags is not None else found.summary.tags),
        sets_canvas="canvas_data" in asked,
        canvas_json=command.canvas_data,
        sets_note="note_content" in asked,
        note=command.note_content,
        label=command.version_label,
        description=command.version_description,
        now=work.now,
        by=work.envelope.actor.id,
        producer=producer_of(work.envelope.actor),
        window=window if command.checkpoint == "auto" else None,
    )
    rules.check_type(
        change.type,
        has_canvas=change.canvas_json is not None if change.sets_canvas else found.has_canvas,
        has_note=change.note is not None if change.sets_note else found.has_note,
        asked=asked,
    )
    return change
