"""What a query's answer is cached as, and what a command invalidates, by their contracts."""

from uuid import UUID

import pytest

from contracts.auth.sessions import EndSession, GetLiveSession
from contracts.catalogue import REQUESTS
from contracts.diagram.diagrams import DIAGRAM_CACHE, ChangeDiagram, GetDiagram
from contracts.message import Kind

ID = UUID(int=7)


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda found: found.__name__)
def test_a_name_has_its_id_from_a_field_of_the_request(request_type: type) -> None:
    for name in (request_type.cached, *request_type.invalidates):  # type: ignore[attr-defined]
        assert name is None or name.field in request_type.model_fields  # type: ignore[attr-defined]


def test_only_the_service_that_owns_a_query_invalidates_its_answer_and_only_a_query_is_cached() -> None:
    owners = {found.cached.kind: found.worker() for found in REQUESTS if found.cached}
    for found in REQUESTS:
        assert found.cached is None or found.kind is Kind.QUERY
        assert all(owners[name.kind] == found.worker() for name in found.invalidates)


def test_a_command_invalidates_the_name_under_which_the_query_is_cached() -> None:
    assert GetDiagram.cached is not None
    assert ChangeDiagram(id=ID).invalidated_names() == (GetDiagram.cached.in_request(GetDiagram(id=ID)),)
    assert GetLiveSession.cached is not None
    live = GetLiveSession(session_id=ID)
    assert EndSession(session_id=ID).invalidated_names() == (GetLiveSession.cached.in_request(live),)


def test_a_name_is_read_by_its_own_kind_only() -> None:
    assert DIAGRAM_CACHE.read(DIAGRAM_CACHE.of(ID)) == ID
    assert DIAGRAM_CACHE.read(f"session/{ID}") is None
    assert DIAGRAM_CACHE.read("*") is None
