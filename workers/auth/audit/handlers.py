"""What the audit log hears."""

from chassis.bus.handlers import Handlers
from contracts.catalogue import SUBSCRIPTIONS
from contracts.envelope import Envelope
from contracts.message import Event
from workers.auth.audit import entries as audit
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()


async def record_event(event: Event, envelope: Envelope, tools: Tools) -> None:
    """Writes the event to the audit log."""
    async with tools.ledger.unit_of_work(envelope) as work:
        session_id = audit.session_of(event)
        session = None if session_id is None else await tools.storage.find_session(work.connection, session_id)
        await tools.storage.add_audit_entry(work.connection, audit.of_event(event, envelope, session))


for heard in SUBSCRIPTIONS["auth"]:
    handlers.hears(heard)(record_event)
