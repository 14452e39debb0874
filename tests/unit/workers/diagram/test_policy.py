"""Who may do what with diagrams."""

from typing import Any
from uuid import UUID

import pytest

from contracts.catalogue import REQUESTS
from contracts.diagram.diagrams import CreateDiagram, DeleteDiagram, GetDiagram, ViewDiagram
from contracts.envelope import Actor, ActorKind
from contracts.message import Kind, Request
from contracts.outcome import GetOutcome
from contracts.refusal import Forbidden
from tests.servers import REPOSITORY
from workers.diagram.policy import NEEDS, Level, authorise

ID = UUID(int=1)
READS, WRITES = GetDiagram(id=ID), CreateDiagram(title="Plan", type="note")
BOTH = (READS, WRITES, DeleteDiagram(id=ID))


def actor(kind: ActorKind, *scopes: str) -> Actor:
    return Actor(kind=kind, id=ID, scopes=scopes)


@pytest.mark.parametrize("request_", BOTH)
@pytest.mark.parametrize("kind", [ActorKind.USER, ActorKind.PRODUCER])
def test_users_and_producers_own_what_they_make(kind: ActorKind, request_: Request[Any]) -> None:
    assert authorise(actor(kind), request_) == ID


@pytest.mark.parametrize("request_", BOTH)
@pytest.mark.parametrize("kind", [ActorKind.ANONYMOUS, ActorKind.SERVICE])
def test_nobody_else_owns_anything(kind: ActorKind, request_: Request[Any]) -> None:
    with pytest.raises(Forbidden):
        authorise(actor(kind), request_)


def test_an_api_key_does_what_its_scopes_say() -> None:
    assert authorise(actor(ActorKind.API_KEY, "read"), READS) == ID
    assert authorise(actor(ActorKind.API_KEY, "write"), WRITES) == ID
    with pytest.raises(Forbidden):
        authorise(actor(ActorKind.API_KEY, "read"), WRITES)
    with pytest.raises(Forbidden):
        authorise(actor(ActorKind.API_KEY), READS)


def test_the_policy_has_a_line_for_each_request_and_only_who_looks_needs_no_more_than_to_view() -> None:
    own = {found for found in REQUESTS if found.worker() == "diagram" and not issubclass(found, GetOutcome)}
    assert set(NEEDS) == own
    assert {found for found, level in NEEDS.items() if level is Level.VIEW} == {
        *(found for found in own if found.kind is Kind.QUERY), ViewDiagram,
    }  # fmt: skip


def test_no_statement_compares_an_owner_by_itself() -> None:
    """Teams and shares come to the policy, and so to every statement."""
    worker = REPOSITORY / "workers" / "diagram"
    files = [file for file in worker.rglob("*.py") if file != worker / "policy.py"]
    assert [file.name for file in files if "owner_id = " in file.read_text(encoding="utf-8")] == []
