"""Reading, naming and restoring versions."""

from uuid import UUID

from chassis.bus.handlers import Handlers
from chassis.objects import ObjectMissing
from contracts.diagram.diagrams import DiagramSummary
from contracts.diagram.versions import (
    ChangeVersion,
    CreateVersion,
    GetVersion,
    ListVersions,
    RestoreVersion,
    SavedVersion,
    Version,
    VersionNotFound,
    VersionPage,
    VersionSummary,
)
from contracts.envelope import Envelope
from workers.diagram import cursors
from workers.diagram.archive.storage import Content
from workers.diagram.diagrams.rules import check_live, check_revision
from workers.diagram.one_diagram import announce_change, locked
from workers.diagram.policy import authorise
from workers.diagram.rows import producer_of
from workers.diagram.tools import Tools
from workers.diagram.versions import rules, storage
from workers.diagram.versions.rules import Naming
from workers.diagram.versions.storage import Author

handlers: Handlers[Tools] = Handlers()


class ArchivedMeanwhile(Exception):
    """The version's content went to the object store after it was looked for in its row."""


class RestoredDifferently(Exception):
    """What was written is not the old version's content."""


@handlers.answers(ListVersions)
async def list_versions(query: ListVersions, envelope: Envelope, tools: Tools) -> VersionPage:
    owner = authorise(envelope.actor, query)
    before = cursors.version_position(query)
    async with tools.database.connection() as connection:
        found, total = await storage.versions(connection, query.id, owner, before=before, limit=query.limit + 1)
    items = tuple(found[: query.limit])
    following = cursors.after_version(query, items[-1].number) if len(found) > len(items) else None
    return VersionPage(items=items, next_cursor=following, total=total)


@handlers.answers(GetVersion)
async def get_version(query: GetVersion, envelope: Envelope, tools: Tools) -> Version:
    owner = authorise(envelope.actor, query)
    async with tools.database.connection() as connection:
        found = await storage.version(connection, query.id, owner, query.number)
    if found.object_key is None or found.content_sha256 is None:
        return found.version
    try:
        canvas, note = await tools.archive.content(found.object_key, found.content_sha256)
    except ObjectMissing:
        async with tools.database.connection() as connection:  # refuses if the diagram was deleted meanwhile
            await storage.version(connection, query.id, owner, query.number)
        raise
    return found.version.model_copy(update={"canvas_data": canvas, "note_content": note})


@handlers.answers(CreateVersion)
async def create_version(command: CreateVersion, envelope: Envelope, tools: Tools) -> SavedVersion:
    owner = authorise(envelope.actor, command)
    naming = Naming(command.label, command.description)
    async with tools.ledger.unit_of_work(envelope) as work:
        found = await locked(work, command, owner)
        check_live(found)
        check_revision(command, found)
        diagram = found.summary
        newest = await storage.locked_version(work.connection, command.id, diagram.version)
        assert newest is not None  # a diagram has at least one
        saved = newest.summary
        if rules.needs_successor(newest.summary, naming):
            author = Author(envelope.actor.id, producer_of(envelope.actor))
            diagram, saved = await storage.follow(work.connection, command.id, naming, author, work.now)
            announce_change(work, diagram, found, "version")
        elif naming.is_given or newest.is_unclosed:
            saved = await storage.name(work.connection, command.id, newest.summary.number, naming)
            announce_change(work, diagram, found, "versions")
        version = SavedVersion(**saved.model_dump(), diagram_id=command.id, diagram_revision=diagram.revision)
        work.reply(version)
    return version


@handlers.answers(ChangeVersion)
async def change_version(command: ChangeVersion, envelope: Envelope, tools: Tools) -> VersionSummary:
    """A command that changes nothing closes no version and publishes no event."""
    owner = authorise(envelope.actor, command)
    async with tools.ledger.unit_of_work(envelope) as work:
        found = await locked(work, command, owner)
        check_live(found)
        stored = await storage.locked_version(work.connection, command.id, command.number)
        if stored is None:
            raise VersionNotFound
        version = stored.summary
        naming = rules.renamed(version, command)
        if naming != Naming(version.label, version.description):
            version = await storage.name(work.connection, command.id, command.number, naming)
            announce_change(work, found.summary, found, "versions")
        work.reply(version)
    return version


@handlers.answers(RestoreVersion)
async def restore_version(command: RestoreVersion, envelope: Envelope, tools: Tools) -> DiagramSummary:
    owner = authorise(envelope.actor, command)
    rules.check_restore(command)
    while True:
        archived = await _archived(command, owner, tools)
        try:
            return await _restore(command, envelope, owner, archived, tools)
        except ArchivedMeanwhile:  # once: the archiver never brings content back
            continue


async def _archived(command: RestoreVersion, owner: UUID, tools: Tools) -> Content | None:
    """The version's content from the object store. None: it is in its row, or there is no such version.

    Read before the diagram is locked: the store takes its time.
    """
    async with tools.database.connection() as connection:
        place = await storage.place_of(connection, command.id, owner, command.number)
    if place is None:
        return None
    try:
        return await tools.archive.stored(place.object_key, place.content_sha256)
    except ObjectMissing:
        async with tools.database.connection() as connection:
            if await storage.place_of(connection, command.id, owner, command.number) is None:  # deleted meanwhile
                return None
        raise


async def _restore(
    command: RestoreVersion, envelope: Envelope, owner: UUID, archived: Content | None, tools: Tools
) -> DiagramSummary:
    async with tools.ledger.unit_of_work(envelope) as work:
        found = await locked(work, command, owner)
        check_live(found)
        check_revision(command, found)
        source = await storage.source(work.connection, command.id, command.number)
        if source is None:
            raise VersionNotFound
        if source.is_archived and archived is None:
            raise ArchivedMeanwhile
        old = rules.digest(archived) if source.is_archived and archived is not None else source.digest
        restored = await storage.restore(
            work.connection,
            command.id,
            command.number,
            content=archived if source.is_archived else None,
            kind=rules.type_for(found.summary.type, old),
            author=Author(envelope.actor.id, producer_of(envelope.actor)),
            now=work.now,
        )
        diagram = work.reply(restored.summary if restored else found.summary)
        if restored:
            written = await storage.source(work.connection, command.id, diagram.version)
            if written is None or written.digest != old:
                raise RestoredDifferently(f"version {command.number} of diagram {command.id}")
            announce_change(work, diagram, found, *restored.fields)
    if restored:
        tools.metrics.updated.inc()
        tools.metrics.restored.inc()
    return diagram
