"""Text and JSON that we can keep, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from contracts.diagram.diagrams import Canvas, Title
from contracts.scanning import MAX_DEPTH


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"in": document}
    return document


def kept(canvas: object, context: dict[str, Any] | None = None) -> Any:
    """What stands in the JSON of it."""
    return from_json(TypeAdapter(Canvas).validate_python(canvas, context=context))


def code(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return caught.value.errors()[0]["type"]


def test_a_canvas_of_the_greatest_depth_is_kept() -> None:
    assert kept(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        (nested(MAX_DEPTH + 1), "too_deep"),
        ({"wide": [{}] * 100, "deep": json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)}, "too_deep"),
        ({"a": ["\x00"]}, "nul_in_text"),
        ({"\x00": 1}, "nul_in_text"),
        ({"a": "\ud800"}, "lone_surrogate"),
        ({"a": float("inf")}, "number_out_of_range"),
        ({"a": float("nan")}, "number_out_of_range"),
        (nested(1_000), "too_deep"),  # deeper than can be written
        ([], "dict_type"),
        ("{}", "dict_type"),
        (7, "dict_type"),
        (None, "dict_type"),
        (b"[]", "dict_type"),
        (to_json(nested(MAX_DEPTH + 1)), "too_deep"),
        (rb'{"a": "\u0000"}', "nul_in_text"),
        (b'{"a": NaN}', "number_out_of_range"),
        (b'{"a": 1e999}', "number_out_of_range"),
        (b'{"a": 1', "value_error"),
        (b"", "value_error"),
    ],
)
def test_a_canvas_that_cannot_be_kept_is_refused(canvas: object, expected: str) -> None:
    assert code(Canvas, canvas) == expected


def test_what_is_no_object_is_refused_in_the_words_that_a_client_knows() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Canvas | None).validate_json("[]", strict=True)
    assert [error["msg"] for error in caught.value.errors()] == ["Input should be an object"]


@pytest.mark.parametrize(
    ("canvas", "json"),
    [
        ({}, b"{}"),
        (b'{ "a" : [ 1 , 1E5, -0.0, 1.50 ] ,\n"\\u00e4": "\\u2028/" }',
         '{"a":[1,100000.0,-0.0,1.5],"ä":"\u2028/"}'.encode()),
        (b'{"NaN": "Infinity", "a": [-1e-7, 123456789012345678901234567890]}',
         b'{"NaN":"Infinity","a":[-1e-7,123456789012345678901234567890]}'),
    ],
)  # fmt: skip
def test_a_canvas_is_kept_as_compact_json(canvas: object, json: bytes) -> None:
    assert TypeAdapter(Canvas).validate_python(canvas) == json
    assert TypeAdapter(Canvas).validate_json(canvas if isinstance(canvas, bytes) else to_json(canvas)) == json


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
CANVASES = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
        max_leaves=20,
    ),
    max_size=4,
)


@given(CANVASES)
def test_each_process_on_a_canvas_way_writes_the_same(canvas: dict[str, Any]) -> None:
    at_the_gateway = TypeAdapter(Canvas).validate_json(json.dumps(canvas), strict=True, context=AT_THE_EDGE)
    in_the_worker = TypeAdapter(Canvas).validate_python(from_json(at_the_gateway))

    assert at_the_gateway == in_the_worker == to_json(canvas)


HEXADECIMAL = "0123e8841" * 7  # as of a digest

AT_THE_EDGE = {"edge": True}


@pytest.mark.parametrize(
    "elements",
    [[1e300] * 53_333, [6.123e-17] * 400_000, [HEXADECIMAL] * 10_000, [f'\\"{HEXADECIMAL}', 1e300] * 10_000],
    ids=["few enough", "small ones", "ids", "ids behind quotes"],
)
def test_a_large_canvas_whose_numbers_are_short_enough_is_kept(elements: list[Any]) -> None:
    canvas = {"elements": elements}
    assert kept(canvas, AT_THE_EDGE) == canvas


@pytest.mark.parametrize("elements", [[1e300] * 53_334, [5e-324] * 50_000, [HEXADECIMAL, 1e300] * 53_334])
def test_numbers_that_come_back_far_longer_than_they_came_are_refused_at_the_edge(elements: list[Any]) -> None:
    canvas = {"elements": elements}
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Canvas).validate_python(canvas, context=AT_THE_EDGE)
    assert caught.value.errors()[0]["type"] == "numbers_too_long"
    # What a gateway has let in before is carried out.
    assert kept(canvas) == canvas


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("", "string_too_short"),
        ("  ", "string_too_short"),
        ("x" * 256, "string_too_long"),
        ("a\nb", "line_break"),
        ("\x00", "nul_in_text"),
    ],
)
def test_a_title_that_cannot_be_shown_is_refused(title: str, expected: str) -> None:
    assert code(Title, title) == expected
