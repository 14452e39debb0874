import string
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import to_json

from contracts.diagram.diagrams import Cursor, InvalidCursor, ListDiagrams
from contracts.diagram.versions import ListVersions
from workers.diagram import cursors

ID = UUID(int=7)
MOMENTS = st.datetimes(timezones=st.just(UTC))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=255)
POSITIONS = st.one_of(
    st.tuples(st.just("title"), TEXTS),
    st.tuples(st.sampled_from(["created_at", "updated_at"]), MOMENTS),
    st.tuples(st.just("last_viewed_at"), st.none() | MOMENTS),
    st.tuples(st.just("size_bytes"), st.integers(0, 2**63 - 1)),
)


@settings(deadline=None)
@given(POSITIONS, st.uuids())
def test_a_position_survives_its_cursor(position: tuple[Any, cursors.Key], identity: UUID) -> None:
    sort, key = position
    query = ListDiagrams(sort=sort)
    cursor = TypeAdapter(Cursor).validate_python(cursors.after_diagram(query, (key, identity)))

    assert cursors.diagram_position(ListDiagrams(sort=sort, cursor=cursor, limit=3)) == (key, identity)


def test_the_longest_title_fits() -> None:
    query = ListDiagrams(sort="title")
    TypeAdapter(Cursor).validate_python(cursors.after_diagram(query, ("\x01" * 255, ID)))


def test_without_a_cursor_a_list_begins_at_the_front() -> None:
    assert cursors.diagram_position(ListDiagrams()) is None
    assert cursors.version_position(ListVersions(id=ID)) is None


@settings(deadline=None)
@given(st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=60))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidCursor):
        cursors.diagram_position(ListDiagrams(cursor=text))
    with pytest.raises(InvalidCursor):
        cursors.version_position(ListVersions(id=ID, cursor=text))


@pytest.mark.parametrize(
    ("sort", "position"),
    [
        ("title", ["\x00", str(ID)]),
        ("title", [None, str(ID)]),
        ("size_bytes", [2**63, str(ID)]),
        ("size_bytes", ["5", str(ID)]),
        ("size_bytes", [5, "me"]),
        ("size_bytes", [5]),
        ("created_at", [None, str(ID)]),
        ("created_at", ["9999-12-31T23:59:59-12:00", str(ID)]),
        ("created_at", ["2026-01-01T00:00:00", str(ID)]),
        ("created_at", {"a": 1}),
    ],
)
def test_a_forged_cursor_is_refused_before_it_reaches_the_database(sort: Any, position: object) -> None:
    forged = urlsafe_b64encode(cursors._list_digest(ListDiagrams(sort=sort)) + to_json(position)).rstrip(b"=").decode()
    with pytest.raises(InvalidCursor):
        cursors.diagram_position(ListDiagrams(sort=sort, cursor=forged))


@pytest.mark.parametrize("number", [0, -1, 2**31, "5", None])
def test_a_forged_version_number_is_refused(number: object) -> None:
    query = ListVersions(id=ID)
    forged = urlsafe_b64encode(cursors._list_digest(query) + to_json(number)).rstrip(b"=").decode()
    with pytest.raises(InvalidCursor):
        cursors.version_position(query.model_copy(update={"cursor": forged}))


def test_a_cursor_belongs_to_one_list() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    cursor = cursors.after_diagram(ListDiagrams(tag="a"), (now, ID))

    assert cursors.diagram_position(ListDiagrams(tag="a", limit=99, cursor=cursor)) == (now, ID)
    for other in (ListDiagrams(cursor=cursor), ListDiagrams(tag="a", order="asc", cursor=cursor)):
        with pytest.raises(InvalidCursor):
            cursors.diagram_position(other)
