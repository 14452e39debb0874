"""Names that stand twice: the quick look at the colons never overlooks what a parser that looks for them finds."""

import json
from typing import Any

import jiter
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from bench.scene import DIAGRAM
from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram
from gateway.api.table import ENDPOINTS
from gateway.body import _colons, _has_all_members, parse
from gateway.endpoint import Endpoint
from gateway.problems import HttpProblem

CREATE = next(row.body for row in ENDPOINTS if row.request is CreateDiagram)
CHANGE = next(row.body for row in ENDPOINTS if row.request is ChangeDiagram)


def has_repeats(raw: bytes) -> bool:
    try:
        jiter.from_json(raw, catch_duplicate_keys=True)
    except ValueError:
        return True
    return False


def kept_whole(model: type[BaseModel], raw: bytes) -> bool:
    return _has_all_members(model.model_validate_json(raw, strict=True, context={"edge": True}), raw)


def escaped(text: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


def upper(text: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04X}" for character in text) + '"'


SPACE = st.sampled_from(["", "", " ", "\n\t"])
WRITERS = st.sampled_from([json.dumps, lambda text: json.dumps(text, ensure_ascii=False), escaped, upper])
TEXTS = st.builds(lambda write, text: write(text), WRITERS, st.text(':\\"{a\u00e4\uff1a', max_size=3))
NUMBERS = st.sampled_from(["0", "-0.0", "1E5", "1e-7", "12345678901234567890", "null", "true"])


def objects(members: st.SearchStrategy[list[tuple[str, str]]]) -> st.SearchStrategy[str]:
    def written(members: list[tuple[str, str]], space: str) -> str:
        return "{" + f"{space},".join(f"{space}{name}{space}:{space}{value}" for name, value in members) + "}"

    return st.builds(written, members, SPACE)


VALUES = st.recursive(
    TEXTS | NUMBERS,
    lambda inner: (
        objects(st.lists(st.tuples(TEXTS, inner), max_size=4))
        | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    ),
    max_leaves=8,
)
CANVASES = objects(st.lists(st.tuples(TEXTS, VALUES), max_size=4))
TITLES = TEXTS.map(lambda text: f'" x{text[1:]}')
MEMBERS = st.one_of(
    st.tuples(st.sampled_from(['"title"', '"\\u0074itle"']), TITLES),
    st.tuples(st.just('"type"'), st.just('"mixed"')),
    st.tuples(st.just('"canvas_data"'), st.just("null") | CANVASES),
    st.tuples(st.just('"note_content"'), st.just("null") | TEXTS),
    st.tuples(st.just('"tags"'), st.lists(TITLES, max_size=2).map(lambda tags: f"[{','.join(tags)}]")),
)
NEEDED = [('"title"', '"x"'), ('"type"', '"mixed"')]


def with_needed(members: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [*members, *(needed for needed in NEEDED if needed[0] not in dict(members))]


ONCE_EACH = st.lists(MEMBERS, max_size=4, unique_by=lambda member: member[0])
CREATES = objects((st.lists(MEMBERS, max_size=4) | ONCE_EACH).map(with_needed))
CHANGES = objects(st.lists(MEMBERS, max_size=5))


@given(CREATES)
@example('{"title":"x","type":"mixed","canvas_data":{"a":1,"a":"\\u003a"}}')
@example('{"title":"x","type":"mixed","canvas_data":{"a":1,"a":"\\u003A"}}')
@example('{"title":"x","type":"mixed","canvas_data":{"a":1,"\\u003a":2,"a":3}}')
@example('{"title":"x","title":"\\u003a","type":"mixed"}')
@example('{"title":":","title":"x","type":"mixed"}')
@example('{"title":"x","type":"mixed","tags":[":"],"tags":["x"]}')
@example('{"title":"x","type":"mixed","canvas_data":{"a":{"b":":"},"a":1}}')
def test_what_is_kept_whole_has_no_name_twice(raw: str) -> None:
    whole, repeats = kept_whole(CREATE, raw.encode()), has_repeats(raw.encode())

    assert not (whole and repeats)
    assert whole or repeats or "\\u003" in raw  # all others need the second look


@given(CHANGES)
def test_what_is_kept_whole_of_a_change_has_no_name_twice(raw: str) -> None:
    whole, repeats = kept_whole(CHANGE, raw.encode()), has_repeats(raw.encode())

    assert not (whole and repeats)
    assert whole or repeats or "\\u003" in raw


async def codes(raw: bytes) -> list[str]:
    try:
        await parse(CREATE, raw, CreateDiagram)
    except HttpProblem as problem:
        return [error.code for error in problem.errors]
    return []


@given(CREATES)
async def test_a_name_that_stands_twice_is_refused_and_no_other(raw: str) -> None:
    assert await codes(raw.encode()) == (["repeated"] if has_repeats(raw.encode()) else [])


def test_a_common_canvas_is_looked_at_once() -> None:
    assert kept_whole(CREATE, DIAGRAM)
    assert not kept_whole(CREATE, DIAGRAM.replace(b'"width"', b'"x"', 1))


COLONS = ["\uff1a", "\ufe13", "\ufe55", "\u2a74", "%3A", "&colon;", "a b"]  # what some way of rewriting makes colons of


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda row: f"{row.method} {row.path}")
def test_no_text_of_a_body_gets_a_colon_that_it_came_without(endpoint: Endpoint) -> None:
    for name, field in endpoint.body.model_fields.items():
        kind: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
        for text in COLONS:
            for sent in (f'"{text}"', f'["{text}"]', f'{{"{text}":"{text}"}}'):
                try:
                    read = kind.validate_json(sent, strict=True, context={"edge": True})
                except ValidationError:
                    continue
                assert _colons(read) <= sent.count(":"), (name, sent)
