"""All handlers of the diagram service."""

from chassis.bus.handlers import Handlers
from chassis.outcomes import outcome_handlers
from workers.diagram.diagrams.handlers import handlers as diagrams
from workers.diagram.lists.handlers import handlers as lists
from workers.diagram.tools import Tools
from workers.diagram.versions.handlers import handlers as versions

handlers: Handlers[Tools] = Handlers()
handlers.include(diagrams)
handlers.include(lists)
handlers.include(versions)
handlers.include(outcome_handlers("diagram"))
