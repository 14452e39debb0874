"""Text and JSON that we can keep, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.diagram import Canvas, Title
from contracts.text import MAX_DEPTH


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth - 1):
        document = {"in": document}
    return document


def code(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return caught.value.errors()[0]["type"]


def test_a_canvas_of_the_greatest_depth_is_kept() -> None:
    assert TypeAdapter(Canvas).validate_python(nested(MAX_DEPTH)) == nested(MAX_DEPTH)


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
        ([], "dict_type"),
    ],
)
def test_a_canvas_that_cannot_be_kept_is_refused(canvas: object, expected: str) -> None:
    assert code(Canvas, canvas) == expected


HEXADECIMAL = "0123e8841" * 7  # as of a digest

AT_THE_EDGE = {"edge": True}


@pytest.mark.parametrize(
    "elements",
    [[1e300] * 53_333, [6.123e-17] * 400_000, [HEXADECIMAL] * 10_000, [f'\\"{HEXADECIMAL}', 1e300] * 10_000],
    ids=["few enough", "small ones", "ids", "ids behind quotes"],
)
def test_a_large_canvas_whose_numbers_are_short_enough_is_kept(elements: list[Any]) -> None:
    canvas = {"elements": elements}
    assert TypeAdapter(Canvas).validate_python(canvas, context=AT_THE_EDGE) == canvas


@pytest.mark.parametrize("elements", [[1e300] * 53_334, [5e-324] * 50_000, [HEXADECIMAL, 1e300] * 53_334])
def test_numbers_that_come_back_far_longer_than_they_came_are_refused_at_the_edge(elements: list[Any]) -> None:
    canvas = {"elements": elements}
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Canvas).validate_python(canvas, context=AT_THE_EDGE)
    assert caught.value.errors()[0]["type"] == "numbers_too_long"
    # What a gateway has let in before is carried out.
    assert TypeAdapter(Canvas).validate_python(canvas) == canvas


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
