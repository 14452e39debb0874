from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from contracts.diagram.diagrams import ChangeDiagram, DiagramType, InTrash, NotInTrash, RevisionRequired, StaleRevision
from contracts.refusal import Invalid
from workers.diagram.diagrams import rules
from workers.diagram.lists.rules import check_moments
from workers.diagram.lists.storage import like_pattern

ID = UUID(int=1)


@dataclass
class DiagramState:
    revision: int = 3
    in_trash: bool = False


@pytest.mark.parametrize(
    ("canvas", "note", "size"),
    [(None, None, 0), (b"{}", "", 2), (b'{"a":[1,2]}', None, 11), (None, "ä🙂", 6), ('{"ä":"🙂"}'.encode(), "x", 14)],
)
def test_the_size_is_compact_json_and_utf8(canvas: bytes | None, note: str | None, size: int) -> None:
    assert rules.size_bytes(canvas, note) == size


def test_tags_are_kept_once_in_their_order() -> None:
    assert rules.without_repeats(("b", "a", "b")) == ["b", "a"]


@pytest.mark.parametrize(
    ("kind", "has_canvas", "has_note"),
    [("canvas", True, False), ("note", False, True), ("mixed", True, True), ("canvas", False, False)],
)
def test_content_that_fits_its_type_is_let_through(kind: DiagramType, has_canvas: bool, has_note: bool) -> None:  # noqa: FBT001 - a table
    rules.check_type(kind, has_canvas=has_canvas, has_note=has_note, asked=())


@pytest.mark.parametrize(
    ("kind", "has_canvas", "has_note", "asked", "pointer"),
    [
        ("canvas", True, True, {"note_content"}, "/note_content"),
        ("canvas", True, True, {"type"}, "/type"),
        ("note", True, False, {"type", "canvas_data"}, "/canvas_data"),
    ],
)
def test_content_that_does_not_fit_is_pointed_at(
    kind: DiagramType,
    has_canvas: bool,  # noqa: FBT001 - a table
    has_note: bool,  # noqa: FBT001 - as above
    asked: set[str],
    pointer: str,
) -> None:
    with pytest.raises(Invalid) as refusal:
        rules.check_type(kind, has_canvas=has_canvas, has_note=has_note, asked=asked)
    assert refusal.value.errors[0].pointer == pointer


def test_all_fields_that_must_not_be_null_are_named_at_once() -> None:
    with pytest.raises(Invalid) as refusal:
        rules.check_change(ChangeDiagram(id=ID, title=None, type=None, tags=None))
    assert [error.pointer for error in refusal.value.errors] == ["/title", "/type", "/tags"]


def test_only_a_change_of_content_must_name_a_revision() -> None:
    rules.check_change(ChangeDiagram(id=ID, title="x"))
    rules.check_change(ChangeDiagram(id=ID, note_content=None, expected_revision="*"))
    with pytest.raises(RevisionRequired):
        rules.check_change(ChangeDiagram(id=ID, note_content=None))


@pytest.mark.parametrize(
    "revisions",
    [
        {},
        {"expected_revision": 3},
        {"expected_revision": "*"},
        {"expected_revision": 9, "other_revisions": (3, 1)},
        {"expected_revision": 3, "other_revisions": (1,)},
    ],
)
def test_the_current_revision_any_and_none_are_accepted(revisions: dict[str, Any]) -> None:
    rules.check_revision(ChangeDiagram(id=ID, **revisions), DiagramState())


@pytest.mark.parametrize(
    "revisions", [{"expected_revision": 2}, {"expected_revision": 4}, {"expected_revision": 9, "other_revisions": (4,)}]
)
def test_any_other_revision_is_stale(revisions: dict[str, Any]) -> None:
    with pytest.raises(StaleRevision) as refusal:
        rules.check_revision(ChangeDiagram(id=ID, **revisions), DiagramState())
    assert refusal.value.problem().extra == {"current_revision": 3}


def test_the_trash_decides_what_may_be_done() -> None:
    rules.check_live(DiagramState())
    rules.check_in_trash(DiagramState(in_trash=True))
    with pytest.raises(InTrash):
        rules.check_live(DiagramState(in_trash=True))
    with pytest.raises(NotInTrash):
        rules.check_in_trash(DiagramState())


def test_moments_that_utc_does_not_have_are_pointed_at() -> None:
    check_moments(created_from=None, created_to=datetime.max.replace(tzinfo=UTC))
    with pytest.raises(Invalid) as refusal:
        check_moments(created_from=datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))
    assert refusal.value.errors[0].pointer == "/created_from"


def test_a_pattern_takes_every_character_literally() -> None:
    assert like_pattern("50%_\\x") == "%50\\%\\_\\\\x%"
