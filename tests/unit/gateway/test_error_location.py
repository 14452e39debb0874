"""Where a refused body is wrong: the element, or line and column; and never what stands there."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.error_location import MAX_TOKENS, describe_malformed, find_unstorable, locate_error
from gateway.problems import HttpProblem


@pytest.mark.parametrize(
    ("raw", "pointer", "code"),
    [
        (rb'{"canvas_data": {"elements": [{"id": "a"}, {"text": "b\u0000"}]}}', "/canvas_data/elements/1/text",
         "nul_in_text"),
        (rb'{"a": [[], [1, "\ud800"]]}', "/a/1/1", "lone_surrogate"),
        (rb'{"a": {}, "b": "\udc00 "}', "/b", "lone_surrogate"),
        (rb'{"a": {"\ud800": 1}}', "/a/?", "lone_surrogate"),
        (rb'{"a": {"x\u0000/~": 1}}', "/a/x" + "\0~1~0", "nul_in_text"),
        (b'[1, {"n": -1e999}]', "/1/n", "number_out_of_range"),
        (b'{"n": [NaN]}', "/n/0", "number_out_of_range"),
        (b'{"n": -Infinity}', "/n", "number_out_of_range"),
        (rb'{"a": "\\u0000", "b": "\\\u0000"}', "/b", "nul_in_text"),
        (rb'{"a": "{[\",", "b": "\u0000"}', "/b", "nul_in_text"),
        (rb'"\u0000"', "", "nul_in_text"),
    ],
)  # fmt: skip
def test_the_element_that_cannot_be_kept_is_named(raw: bytes, pointer: str, code: str) -> None:
    found = find_unstorable(raw)
    assert found is not None
    assert (found.pointer, found.code) == (pointer, code)
    assert json.dumps(found.detail)


@pytest.mark.parametrize(
    "raw",
    [b"{}", rb'{"a": "\\u0000", "b": "\ud83d\ude00", "NaN": "Infinity", "c": [1e300, -0.0, 1e-400]}', b"9" * 400, b""],
)
def test_what_can_be_kept_is_not_named(raw: bytes) -> None:
    assert find_unstorable(raw) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.booleans())
def test_the_first_is_found_wherever_it_stands(document: dict[str, Any], ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    raw = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    found, expected = find_unstorable(json.dumps(document).encode()), first_unstorable(document, "")
    assert (None if found is None else found.pointer) == expected
    if expected is None:
        assert find_unstorable(raw) is None


def first_unstorable(value: Any, pointer: str) -> str | None:
    if isinstance(value, str):
        return pointer if unkept(value) else None
    children: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    if isinstance(value, list):
        children = [(str(index), child) for index, child in enumerate(value)]
    for name, child in children:
        shown = name.encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")
        if unkept(name):
            return f"{pointer}/{shown}"
        found = first_unstorable(child, f"{pointer}/{shown}")
        if found is not None:
            return found
    return None


def unkept(text: str) -> bool:
    return "\0" in text or text != text.encode("utf-8", "replace").decode()


def test_no_search_goes_on_for_long() -> None:
    raw = b'{"a": [' + b"[]," * MAX_TOKENS + rb'"\u0000"]}'
    assert find_unstorable(raw) is None


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "The body is empty"),
        (b" \n", "The body is empty"),
        (b'{"title": "Plan"', "The JSON ends early, at line 1, column 17"),
        (b'{"title":\n "a",}', "Trailing comma in object at line 2, column 6"),
        (b'{"title": secret}', "Invalid character at line 1, column 11"),
        (b"{}{}", "Trailing characters at line 1, column 3"),
        (b'{"a": "\xff"}', "Not UTF-8 at line 1, column 8"),
        (b"{'a': 1}", "Expected '\"' at line 1, column 2"),
        (b'{"a": "\\x"}', "Invalid escaped character at line 1, column 9"),
    ],
)
def test_what_is_no_json_is_told_where(raw: bytes, why: str) -> None:
    assert describe_malformed(raw) == why


async def test_other_problems_stay_as_they_are() -> None:
    for problem in (HttpProblem("body_too_large"), HttpProblem("invalid")):
        assert await locate_error(problem, rb'{"a": "\u0000"}') is problem


def test_a_text_that_never_ends_is_looked_through_once() -> None:
    """Each of its quotes began another search to the end: 8 KB took half a second of the event loop."""
    began = time.process_time()
    describe_malformed(b'{"email":"\\u0041' + b'\\"' * 100_000)
    assert find_unstorable(b'{"email":"\\u0041' + b'\\"' * 100_000) is None
    assert time.process_time() - began < 2
