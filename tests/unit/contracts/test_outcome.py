"""An outcome, and the content in it that nobody parses on its way."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import from_json

from contracts.diagram.diagrams import Diagram
from contracts.diagram.versions import Version
from contracts.outcome import CommandOutcome, Outcome
from contracts.refusal import FieldError, Forbidden, Invalid

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID(int=7)
NUMBERS = b'{"n":[1e+300,123456789012345678901234567890,1.50]}'


def diagram(**content: Any) -> Diagram:
    return Diagram(
        id=ID, title="Plän", type="mixed", owner_id=ID, team_id=None, folder_id=None, tags=("a",), version=1,
        revision=1, size_bytes=2, starred=False, permission="owner", created_at=NOW, updated_at=NOW, updated_by=ID,
        last_viewed_at=None, view_count=0, comment_count=0, export_count=0, collaborator_count=0, deleted_at=None,
        thumbnail_url=None, **content,
    )  # fmt: skip


def version(**content: Any) -> Version:
    return Version(
        number=1, label=None, description=None, size_bytes=2, created_at=NOW, created_by=ID, diagram_id=ID, **content
    )


CONTENTS: list[dict[str, Any]] = [
    {"canvas_data": {"x": ["ä", 1.5, {}]}, "note_content": 'a "note"\n'},
    {"canvas_data": None, "note_content": ""},
    {"canvas_data": {}, "note_content": None},
]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("kind", [diagram, version])
def test_a_reply_with_content_says_what_pydantic_would_write(kind: Any, content: dict[str, Any]) -> None:
    whole = kind(**content)

    assert from_json(whole.json_bytes()) == from_json(whole.model_dump_json())
    assert from_json(whole.json_bytes()).items() >= content.items()


@pytest.mark.parametrize("kind", [diagram, version])
def test_a_canvas_goes_byte_for_byte(kind: Any) -> None:
    whole = kind(canvas_data=NUMBERS, note_content=None)

    assert b'"canvas_data":' + NUMBERS + b"}" in Outcome.succeeded(whole).json_bytes()


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.succeeded(None),
        Outcome.succeeded(diagram(**CONTENTS[0])),
        Outcome.succeeded(diagram(**CONTENTS[0])).model_copy(update={"replayed": True}),
        Outcome.refused(Forbidden('"no"', current=7)),
        Outcome.refused(Invalid(errors=(FieldError(pointer="/a", code="x", detail="ä"),))),
        Outcome.failed("x", "y"),
    ],
)
def test_an_outcome_says_what_pydantic_would_write_and_is_the_same_when_it_was_kept(outcome: Outcome) -> None:
    assert from_json(outcome.json_bytes()) == from_json(outcome.model_dump_json())
    assert Outcome.model_validate(from_json(outcome.json_bytes())) == outcome  # as the inbox gives it
    told = CommandOutcome(outcome=outcome)
    assert CommandOutcome.model_validate_json(told.json_bytes()) == told
