"""The API's table holds together: with the contracts, and with itself."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import TypeAdapter, ValidationError

from contracts import auth, diagram
from contracts.catalogue import REQUESTS
from contracts.message import Kind
from contracts.refusal import REFUSED_BY_ANY, Refusal
from contracts.sealed import sealed_fields
from gateway.api.table import ENDPOINTS, OUTCOMES
from gateway.assembly import CACHE_OWNERS
from gateway.endpoint import IF_MATCH_FIELDS, Endpoint
from gateway.idempotency import read_key
from gateway.openapi import KEY_PATTERN, TAGS_PATTERN, codes, document
from gateway.preconditions import read_if_match
from gateway.problems import EDGE_PROBLEMS, STATUS_OF, HttpProblem, from_refusal

REFUSALS: dict[str, type[Refusal]] = {
    found.__name__: found for request in REQUESTS for found in (*request.refuses, *REFUSED_BY_ANY)
}
# Asked by the edge on its own behalf, or by the command's address.
INTERNAL = {
    auth.sessions.GetLiveSession,
    auth.sessions.GetKnownNetwork,
    auth.keys.GetPublicKeys,
    *OUTCOMES.values(),
    *auth.operator.MESSAGES,
}

rows = pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.request.__name__)


@rows
def test_each_placeholder_is_a_field(row: Endpoint) -> None:
    assert set(row.placeholders) <= set(row.request.model_fields)


@rows
def test_each_option_names_a_field(row: Endpoint) -> None:
    reply = row.request.reply_type()
    request_fields, reply_fields = set(row.request.model_fields), set(reply.model_fields if reply else ())
    assert row.set_by_edge <= request_fields
    assert {row.attempts_on} - {None} <= request_fields
    assert row.if_match is bool(request_fields & set(IF_MATCH_FIELDS))
    assert {row.etag} - {None} <= reply_fields
    if row.location is not None:
        assert set(re.findall(r"{(\w+)}", row.location)) <= reply_fields
        assert row.location in {other.path for other in ENDPOINTS}
    if row.cached_seconds is not None:
        assert row.request.cached is not None
        assert row.request.cached.field in row.placeholders
        assert CACHE_OWNERS[row.request.cached.kind] == row.request.worker()
        assert row.is_read
        assert row.etag is not None  # which tells the coding of what is kept


@rows
def test_only_answers_without_secrets_are_compressed(row: Endpoint) -> None:
    """The length of an answer that holds a secret beside a text of somebody else's choice tells the secret (BREACH)."""
    assert not row.compressed or row.request.reply_type() in {
        diagram.diagrams.Diagram,
        diagram.diagrams.DiagramPage,
        diagram.versions.Version,
        diagram.versions.VersionPage,
    }


@rows
def test_a_read_is_a_query_and_a_change_is_not(row: Endpoint) -> None:
    assert (row.method == "GET") is (row.request.kind is Kind.QUERY)
    assert (row.success == 204) is (row.request.reply_type() is None)
    assert row.no_idempotency is (row.request.kind is Kind.TRANSIENT)


@rows
def test_secrets_come_in_bodies_or_cookies_only(row: Endpoint) -> None:
    """Paths and queries end up in logs of proxies."""
    secret = set(sealed_fields(row.request)) - row.set_by_edge
    assert secret <= set(row.body.model_fields)


@rows
def test_no_bulkhead_or_kind_can_wait_longer_than_a_client(row: Endpoint) -> None:
    assert 0 < row.request.timeout.total_seconds() <= 30


def test_a_place_is_taken_once() -> None:
    assert max(Counter((row.method, row.path, row.when) for row in ENDPOINTS).values()) == 1
    by_place: dict[tuple[str, str], list[Endpoint]] = {}
    for row in ENDPOINTS:
        by_place.setdefault((row.method, row.path), []).append(row)
    for same in by_place.values():
        if len(same) > 1:
            flags = [row.when for row in same]
            assert None not in flags
            assert {(row.public, row.success, row.no_idempotency, row.request.timeout) for row in same} == {
                (same[0].public, same[0].success, same[0].no_idempotency, same[0].request.timeout)
            }


def test_every_request_is_public_or_known_to_be_internal() -> None:
    known = {row.request for row in ENDPOINTS} | INTERNAL
    lacking = sorted(request.wire_name for request in set(REQUESTS) - known)
    assert lacking == [], "add a row in gateway/api/, or the class to INTERNAL above"
    assert known == set(REQUESTS)


def test_only_who_cannot_have_signed_in_yet_need_not() -> None:
    public = {row.request for row in ENDPOINTS if row.public}
    assert public == {auth.accounts.RegisterUser, auth.sessions.SignIn, auth.sessions.RefreshTokens}


def test_every_worker_tells_how_its_commands_ended() -> None:
    workers = {row.request.worker() for row in ENDPOINTS if row.request.kind is Kind.COMMAND}
    lacking = sorted(workers - set(OUTCOMES))
    assert lacking == [], 'add outcome_query("<worker>") to the MESSAGES of their contracts'


def test_codes_are_one_each() -> None:
    """A code has one status, wherever it comes from."""
    for refusal_type in REFUSALS.values():
        if refusal_type.code in EDGE_PROBLEMS:
            assert EDGE_PROBLEMS[refusal_type.code][0] == STATUS_OF[refusal_type.kind]
        assert re.fullmatch(r"[a-z_]+", refusal_type.code)
    by_code = Counter(refusal_type.code for refusal_type in REFUSALS.values())
    assert max(by_code.values()) == 1


@pytest.mark.parametrize("refusal_type", REFUSALS.values(), ids=lambda found: found.__name__)
def test_every_refusal_has_a_status(refusal_type: type[Refusal]) -> None:
    problem = from_refusal(refusal_type().problem())
    assert 400 <= problem.status < 500
    assert (problem.code, problem.title) == (refusal_type.code, refusal_type.title)


def test_the_description_is_valid_openapi() -> None:
    validate(document())


def _security(row: Endpoint) -> list[dict[str, list[str]]]:
    if row.public:
        return []
    return [{"cookie": []}] if row.from_page else [{"bearer": []}, {"cookie": []}]


def test_the_description_has_every_row_and_every_code() -> None:
    described = document()
    for row in ENDPOINTS:
        operation = described["paths"][row.path][row.method.lower()]
        assert operation.get("security", described["security"]) == _security(row)
        answers: dict[str, Any] = operation["responses"]
        for refusal_type in row.request.refuses:
            answer = answers[str(STATUS_OF[refusal_type.kind])]
            assert refusal_type.code in answer["description"].split(", ")
            assert refusal_type.code in codes()


@rows
def test_what_may_be_left_out_has_no_default_in_a_body_and_null_only_where_it_is_taken(row: Endpoint) -> None:
    """A typed client sends defaults along; and null ends a drawing."""
    if not row.takes_body:
        return
    for name, described in document()["components"]["schemas"][row.body.__name__]["properties"].items():
        assert "default" not in described
        field: TypeAdapter[Any] = TypeAdapter(row.body.model_fields[name].rebuild_annotation())
        try:
            field.validate_json("null", strict=True, context={"edge": True})
        except ValidationError:
            taken = False
        else:
            taken = True
        assert ({"type": "null"} in described.get("anyOf", ())) is taken, name


def test_no_parameter_may_be_null() -> None:
    for methods in document()["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                assert "null" not in str(parameter["schema"]), parameter


def test_the_key_and_the_tags_have_the_form_that_is_read() -> None:
    for text in ("k", '"k"', "k" * 255, f'"{"k" * 255}"', "a b", '"', '""', "k" * 256, 'a"b', "\x7f"):
        assert accepts(read_key, text) is bool(re.search(KEY_PATTERN, text)), text
    for text in ("*", '"3"', 'W/"3"', '"3", "4-gzip"', "3", '"3" "4"', "", '"3', ", ".join(['"1"'] * 101)):
        assert accepts(read_if_match, text) is bool(re.search(TAGS_PATTERN, text)), text


def accepts(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except HttpProblem:
        return False
    return True
