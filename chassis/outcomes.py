"""The handler of a worker's ``GetOutcome``: the same for every worker."""

from typing import Any, Protocol

from chassis.bus.handlers import Handlers
from chassis.unit_of_work import Ledger
from contracts.envelope import Envelope
from contracts.outcome import CommandOutcome, GetOutcome, outcome_query


class HasLedger(Protocol):
    @property
    def ledger(self) -> Ledger: ...


def outcome_handlers(worker: str) -> Handlers[Any]:
    """For ``handlers.include``; the worker's tools must have a ledger."""
    handlers: Handlers[HasLedger] = Handlers()
    handlers.answers(outcome_query(worker))(get_outcome)
    return handlers


async def get_outcome(query: GetOutcome, envelope: Envelope, tools: HasLedger) -> CommandOutcome:
    """None for another actor's command, as for one that does not exist."""
    return CommandOutcome(outcome=await tools.ledger.outcome(envelope.actor.key, query.command_id, query.fingerprint))
