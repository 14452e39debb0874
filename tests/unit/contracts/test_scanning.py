"""What is scanned is checked as what is parsed is, and no Python object is made of it."""

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from contracts.diagram.diagrams import Canvas
from contracts.scanning import (
    MAX_DEPTH,
    MAX_EVENTS,
    MAX_ITEMS,
    ScannedJson,
    TooDeep,
    count_items,
    is_cheap_to_parse,
    split,
    split_scanned,
)

PATH = (b"canvas_data",)
TEXTS = st.text('a\\"{}[]:,\u00e4\U0001f600\n', max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(TEXTS | st.just("canvas_data"), VALUES, max_size=4)
indents = st.sampled_from([None, 1])


@given(DOCUMENTS, st.booleans(), indents)
def test_what_is_taken_out_and_what_is_left_are_the_whole(document: dict[str, Any], ascii: bool, indent: int) -> None:  # noqa: A002, FBT001
    raw = json.dumps(document, ensure_ascii=ascii, indent=indent).encode()
    rest, taken = split(raw, PATH, check_zeros=True)
    canvas = document.get("canvas_data")
    if isinstance(canvas, dict):
        assert taken is not None
        assert json.loads(taken) == canvas
        assert json.loads(rest) == document | {"canvas_data": None}
    else:
        assert (rest, taken) == (raw, None)


@given(DOCUMENTS, indents)
def test_only_the_object_at_the_path_is_taken(document: dict[str, Any], indent: int) -> None:
    around = {"x": document, "data": {"y": document, "canvas_data": document, "z": [document]}, "w": document}
    rest, taken = split(json.dumps(around, indent=indent).encode(), (b"data", *PATH), check_zeros=True)
    assert taken is not None
    assert json.loads(taken) == document
    assert json.loads(rest) == around | {"data": {"y": document, "canvas_data": None, "z": [document]}}


@given(DOCUMENTS)
def test_what_was_scanned_before_is_split_alike(document: dict[str, Any]) -> None:
    raw = json.dumps({"x": document, "data": document, "z": 1}).encode()
    rest, taken = split(raw, (b"data", *PATH), check_zeros=False)
    again = split_scanned(raw, ("data", PATH[0].decode()))
    assert json.loads(again.rest) == json.loads(rest)
    assert (again.taken is None) == (taken is None)
    if taken is not None:
        assert isinstance(again.taken, ScannedJson)
        assert json.loads(again.taken) == json.loads(taken)


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"data":1}', b'{"data":{"canvas_data":{}'])
def test_what_is_no_document_is_refused_though_it_was_scanned(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_scanned(raw, ("data", PATH[0].decode()))


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def refused(canvas: bytes) -> str:
    """The code by which it is."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the code says which
        split(b'{"canvas_data":%b}' % canvas, PATH, check_zeros=True)
    return caught.value.type if isinstance(caught.value, PydanticCustomError) else "no JSON"


def parsed(canvas: bytes) -> str | None:
    try:
        TypeAdapter(Canvas).validate_python(canvas, context={"edge": True})
    except ValidationError as error:
        return error.errors()[0]["type"]
    return None


@pytest.mark.parametrize(
    "canvas",
    [nested(MAX_DEPTH + 1), nested(150), b'{"a":["%b"]}' % rb"\u0000", b'{"%b":1}' % rb"\u0000", b'{"a":1e999}',
     b'{"a":-1E+309}', b'{"a":1%b.0}' % (b"0" * 400), b'{"a":{"x":[%b]}}' % b",".join([b"1e300"] * 53_400)],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_as_if_it_were_parsed(canvas: bytes) -> None:
    assert refused(canvas) == parsed(canvas)


@pytest.mark.parametrize(
    "canvas",
    [b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', rb'{"a":"\ud800"}', rb'{"a":"\udc00x"}', b'{"a":NaN}',
     b'{"a":01}', b'{"a":1,}',
     b'{"a":"\x01"}', rb'{"a":"\x"}', b'{"a":[}', b'{"a":"', b"{", b'{"a":1}}', b'{"a" 1}', b"{'a':1}"],
)  # fmt: skip
def test_what_is_no_json_in_utf_8_is_refused(canvas: bytes) -> None:
    assert refused(canvas) == "no JSON"
    assert parsed(canvas) is not None


@pytest.mark.parametrize("canvas", [b'{"a":1,"a":2}', rb'{"a":1,"\u0061":2}', b'{"x":[{"\xc3\xa4":1,"\\u00e4":2}]}'])
def test_a_name_that_stands_twice_is_refused(canvas: bytes) -> None:
    assert refused(canvas) == "repeated"


@pytest.mark.parametrize(
    "canvas",
    [nested(MAX_DEPTH), rb'{"a":"\\u0000"}', rb'{"a\\":1,"a":"\\\"}"}', b'{"a":[{"b":1},{"b":1}]}', b'{"a":1e300}',
     rb'{"a":"\ud83d\ude00"}',
     b'{"a":"1e999 00000e999","b":1.5E-7}', b'{"a":"' + b"0" * 400 + b'"}'],
)  # fmt: skip
def test_what_looks_bad_and_is_not_is_kept(canvas: bytes) -> None:
    assert parsed(canvas) is None
    assert split(b'{"canvas_data":%b}' % canvas, PATH, check_zeros=True).taken == canvas


def test_far_too_deep_is_refused_and_ends_no_process() -> None:
    with pytest.raises(TooDeep):
        split(b"[" * 200_000 + b"]" * 200_000, PATH, check_zeros=True)


def test_more_members_than_anybody_draws_are_refused() -> None:
    assert refused(b'{"a":[' + b",".join([b"{}"] * (MAX_EVENTS // 2 + 1)) + b"]}") == "too_many_items"


def test_no_document_has_more_values_than_the_database_can_hold_whatever_they_are() -> None:
    """10 MB of `[],` took a gigabyte in PostgreSQL for each that was saved."""
    for value in (b"[]", b"1", b'""', b"{}"):
        assert refused(b'{"a":[' + b",".join([value] * (MAX_ITEMS + 1)) + b"]}") == "too_many_items"
    freehand = b'{"a":[' + b",".join([b"[12.5,7.25]"] * 600_000) + b"]}"
    assert split(freehand, (), check_zeros=True).rest == freehand
    prose = b'{"a":"' + b"one, two [three], " * 400_000 + b'"}'
    assert split(prose, (), check_zeros=True).rest == prose


def test_the_longest_numbers_take_no_longer_than_their_bytes() -> None:
    """A search for exponents began anew at each digit: a second of the interpreter's lock for 300 kB."""
    long_number = b"1" * 308
    canvas = b'{"a":[' + b",".join([long_number] * 10_000) + b",1e1]}"
    began = time.process_time()
    split(canvas, (), check_zeros=True)
    split(b'{"canvas_data":%b}' % canvas, PATH, check_zeros=True)
    assert time.process_time() - began < 5  # 0.6 s; 10 s for each before


@pytest.mark.parametrize("item", [b"[]", b"{}", b'{"":{}}', b'"a"', b"1.5", b'{"x":1.5}', rb'"\n\""', b"[[[]]]"])
def test_scanning_takes_few_times_the_document(item: bytes) -> None:
    raw = b'{"canvas_data":{"e":[' + b",".join([item] * (600_000 // len(item))) + b"]}}"
    tracemalloc.start()
    split(raw, PATH, check_zeros=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * len(raw) + 512 * 1024


def test_a_scanned_canvas_is_believed() -> None:
    checked = ScannedJson(b'{"a":1.50}')
    assert TypeAdapter(Canvas).validate_python(checked) is checked


@pytest.mark.parametrize(
    ("raw", "items"),
    [(b"{}", 1), (b"[1,2]", 2), (b'{"a":"%b"}' % (b"," * 1_000), 1), (b'{"a":"%b"}' % (rb"\"," * 1_000), 1)],
)
def test_what_stands_in_strings_is_no_item(raw: bytes, items: int) -> None:
    assert count_items(raw, 10) == items


def test_a_note_full_of_commas_is_not_dense_for_long() -> None:
    note = b'{"note":"' + b"," * 100_000 + b'"}'
    assert not is_cheap_to_parse(note)
    assert count_items(note, 10) == 1
