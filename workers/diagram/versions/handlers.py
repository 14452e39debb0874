"""Reading versions."""

from chassis.bus.handlers import Handlers
from chassis.objects import ObjectMissing
from contracts.diagram.versions import GetVersion, ListVersions, Version, VersionPage
from contracts.envelope import Envelope
from workers.diagram import cursors
from workers.diagram.policy import authorise
from workers.diagram.tools import Tools
from workers.diagram.versions import storage

handlers: Handlers[Tools] = Handlers()


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
