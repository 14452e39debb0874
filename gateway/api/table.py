"""The public API as one table, from which ``docs/openapi.json`` is generated, with what each contract refuses."""

from contracts.catalogue import REQUESTS
from contracts.outcome import GetOutcome
from gateway.api import auth, diagrams
from gateway.endpoint import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (*auth.ROWS, *diagrams.ROWS)

# The query for the outcome of a command, by worker.
OUTCOMES = {request.worker(): request for request in REQUESTS if issubclass(request, GetOutcome)}
