"""Text and JSON that we can keep, and what is refused."""

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


@pytest.mark.parametrize(
    ("number", "count", "refused"),
    [(1e300, 53_333, False), (1e300, 53_334, True), (5e-324, 50_000, True), (6.123e-17, 400_000, False)],
)
def test_numbers_that_come_back_far_longer_than_they_came_are_refused(
    number: float,
    count: int,
    refused: bool,  # noqa: FBT001 - a table's column
) -> None:
    canvas = {"elements": [number] * count}
    if refused:
        assert code(Canvas, canvas) == "numbers_too_long"
    else:
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
