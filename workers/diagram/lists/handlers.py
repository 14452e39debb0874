"""Lists of diagrams."""

from chassis.bus.handlers import Handlers
from contracts.diagram.diagrams import DiagramPage, ListDiagrams
from contracts.envelope import Envelope
from workers.diagram import cursors
from workers.diagram.lists import rules, storage
from workers.diagram.policy import authorise
from workers.diagram.tools import Tools

handlers: Handlers[Tools] = Handlers()


@handlers.answers(ListDiagrams)
async def list_diagrams(query: ListDiagrams, envelope: Envelope, tools: Tools) -> DiagramPage:
    owner = authorise(envelope.actor, query)
    rules.check_moments(created_from=query.created_from, created_to=query.created_to)
    position = cursors.diagram_position(query)
    async with tools.database.connection() as connection:
        page = await storage.diagrams(connection, owner, query, position)
    following = None if page.end is None else cursors.after_diagram(query, page.end)
    return DiagramPage(items=tuple(page.items), next_cursor=following, total=page.total)
