"""Bad input gets a clear answer, and leaves no message."""

import asyncio
import gzip
import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_core import from_json

from contracts.auth.accounts import ChangeProfile, RegisterUser, User
from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram
from gateway import body as body_module
from gateway.api.table import ENDPOINTS
from gateway.body import parse
from gateway.endpoint import Endpoint
from gateway.error_location import locate_error
from gateway.problems import HttpProblem, from_validation_error
from tests.integration.gateway.scene import DIAGRAM, LONG_AGO, SUMMARY, USER, Scene, as_json, open_scene, signed_in

DIAGRAMS = "/api/diagrams"
ONE = f"/api/diagrams/{DIAGRAM}"
GOOD = {"title": "Plan", "type": "canvas"}


def nested(depth: int) -> dict[str, Any]:
    canvas: dict[str, Any] = {}
    for _ in range(depth - 1):
        canvas = {"in": canvas}
    return canvas


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


@dataclass(frozen=True)
class Case:
    name: str
    body: bytes | None
    status: int
    code: str
    pointer: str | None = None
    error: str | None = None
    method: str = "POST"
    path: str = DIAGRAMS
    headers: dict[str, str] = field(default_factory=dict)


CASES = [
    Case("nothing at all", b"", 400, "malformed_json"),
    Case("cut off", b'{"title": "Plan"', 400, "malformed_json"),
    Case("not JSON", b"title=Plan", 400, "malformed_json"),
    Case("two documents", b"{}{}", 400, "malformed_json"),
    Case("not UTF-8", b'{"title": "\xff", "type": "canvas"}', 400, "malformed_json"),
    Case("half a surrogate pair", rb'{"title": "\ud800", "type": "canvas"}', 422, "invalid", "/title",
         "lone_surrogate"),
    Case("half a surrogate pair in an element", rb'{"title": "a", "type": "canvas", "canvas_data": {"x": ["\udc00"]}}',
         422, "invalid", "/canvas_data/x/0", "lone_surrogate"),
    Case("NaN", b'{"title": "a", "type": "canvas", "canvas_data": {"x": NaN}}', 422, "invalid", "/canvas_data/x",
         "number_out_of_range"),
    Case("a list", b"[]", 422, "invalid", "", "object_type"),
    Case("null", b"null", 422, "invalid", "", "object_type"),
    Case("an unknown field", raw(GOOD | {"colour": "red"}), 422, "invalid", "/colour", "unknown_field"),
    Case("somebody else's id", raw(GOOD | {"owner_id": str(DIAGRAM)}), 422, "invalid", "/owner_id", "unknown_field"),
    Case("a field left out", raw({"type": "canvas"}), 422, "invalid", "/title", "required"),
    *(Case(f"null for a {field}", raw({field: None}), 422, "invalid", f"/{field}", "null", method="PATCH", path=ONE)
      for field in ("title", "type", "tags")),
    Case("a number for text", raw(GOOD | {"title": 7}), 422, "invalid", "/title"),
    Case("text for a list", raw(GOOD | {"tags": "a"}), 422, "invalid", "/tags", "array_type"),
    Case("an unknown choice", raw(GOOD | {"type": "poem"}), 422, "invalid", "/type", "unknown_choice"),
    Case("an empty title", raw(GOOD | {"title": "  "}), 422, "invalid", "/title"),
    Case("a title too long", raw(GOOD | {"title": "x" * 256}), 422, "invalid", "/title"),
    Case("a tag too long", raw(GOOD | {"tags": ["a", "x" * 65]}), 422, "invalid", "/tags/1"),
    Case("too many tags", raw(GOOD | {"tags": ["a"] * 51}), 422, "invalid", "/tags"),
    Case("NUL in the title", raw(GOOD | {"title": "a\0b"}), 422, "invalid", "/title", "nul_in_text"),
    Case("NUL in the canvas", raw(GOOD | {"canvas_data": {"t": ["\0"]}}), 422, "invalid", "/canvas_data/t/0",
         "nul_in_text"),
    Case("text for a canvas", raw(GOOD | {"canvas_data": "[]"}), 422, "invalid", "/canvas_data", "object_type"),
    Case("too deep", raw(GOOD | {"canvas_data": nested(65)}), 422, "invalid", "/canvas_data", "too_deep"),
    Case("far too deep", raw(GOOD | {"canvas_data": nested(900)}), 422, "invalid", "", "too_deep"),
    Case("abyssal", b"[" * 200_000, 422, "invalid", "", "too_deep"),
    Case("a name twice", b'{"title": "a", "type": "note", "title": "b"}', 422, "invalid", "", "repeated"),
    Case("a name twice inside", b'{"title": "a", "type": "note", "canvas_data": {"x": 1, "\\u0078": 2}}', 422,
         "invalid", "", "repeated"),
    Case("a form", b"title=Plan", 415, "unsupported_media_type",
         headers={"Content-Type": "application/x-www-form-urlencoded"}),
    Case("no type", raw(GOOD), 415, "unsupported_media_type", headers={"Content-Type": ""}),
    Case("Latin-1", raw(GOOD), 415, "unsupported_media_type",
         headers={"Content-Type": "application/json; charset=latin1"}),
    Case("a patch where a document is due", raw(GOOD), 415, "unsupported_media_type",
         headers={"Content-Type": "application/merge-patch+json"}),
    Case("a JSON Patch", b"[]", 415, "unsupported_media_type", method="PATCH", path=ONE,
         headers={"Content-Type": "application/json-patch+json"}),
    Case("a key with a space", raw(GOOD), 400, "malformed_header", headers={"Idempotency-Key": "a b"}),
    Case("an empty key", raw(GOOD), 400, "malformed_header", headers={"Idempotency-Key": '""'}),
    Case("a key too long", raw(GOOD), 400, "malformed_header", headers={"Idempotency-Key": "k" * 256}),
    Case("a parameter of nobody's", raw(GOOD), 422, "invalid", "/force", "unknown_field",
         path=f"{DIAGRAMS}?force=true"),
    Case("an If-Match without quotes", raw({"title": "b"}), 400, "malformed_header", method="PATCH", path=ONE,
         headers={"If-Match": "3"}),
    Case("two tags in If-Match without a comma", raw({"title": "b"}), 400, "malformed_header", method="PATCH",
         path=ONE, headers={"If-Match": '"3" "4"'}),
    Case("a body where none is read", raw({"id": 1}), 422, "invalid", "", "unknown_field", path=f"{ONE}/restore"),
    Case("no id", None, 404, "not_found", method="GET", path="/api/diagrams/mine"),
    Case("a number for an id", None, 404, "not_found", method="GET", path="/api/diagrams/1"),
    Case("no version", None, 404, "not_found", method="GET", path=f"{ONE}/versions/one"),
    Case("version 0", None, 404, "not_found", method="GET", path=f"{ONE}/versions/0"),
    Case("a body with a question", b"{}x", 422, "invalid", "", "unknown_field", method="GET", path=ONE),
    Case("no number", None, 422, "invalid", "/limit", method="GET", path=f"{DIAGRAMS}?limit=many"),
    Case("too many", None, 422, "invalid", "/limit", method="GET", path=f"{DIAGRAMS}?limit=101"),
    Case("an unknown order", None, 422, "invalid", "/sort", method="GET", path=f"{DIAGRAMS}?sort=colour"),
    Case("a time without its zone", None, 422, "invalid", "/created_from", method="GET",
         path=f"{DIAGRAMS}?created_from=2026-01-01T00:00:00"),
    *(Case(f"{time} for a time", None, 422, "invalid", "/created_to", "malformed_time", method="GET",
           path=f"{DIAGRAMS}?created_to={time}") for time in ("0.5", "1767225600", "yesterday", "")),
    Case("a parameter twice", None, 422, "invalid", "/limit", "repeated", method="GET",
         path=f"{DIAGRAMS}?limit=1&limit=2"),
    Case("NUL in a question", None, 422, "invalid", "/q", "nul_in_text", method="GET", path=f"{DIAGRAMS}?q=%00"),
    Case("not UTF-8 in a path", None, 404, "not_found", method="GET", path="/api/diagrams/%FF"),
    Case("a flag that is none", None, 422, "invalid", "/permanent", method="DELETE", path=f"{ONE}?permanent=perhaps"),
    Case("a password as long as a letter", raw({"email": "a@b", "password": "x" * 5_000}), 422, "invalid", "/password",
         "string_too_long", path="/api/auth/login"),
    Case("a refresh token as long as a letter", raw({"refresh_token": "x" * 5_000}), 422, "invalid",
         "/refresh_token", "string_too_long", path="/api/auth/refresh"),
    Case("nobody's path", None, 404, "not_found", method="GET", path="/api/nothing"),
    Case("nobody's method", None, 405, "method_not_allowed", method="PUT", path=ONE),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_bad_input_gets_a_clear_answer_and_leaves_no_message(scene: Scene, case: Case) -> None:
    headers = (as_json() if case.body is not None else signed_in()) | case.headers
    status, problem = await scene.problem(case.method, case.path, data=case.body, headers=headers)
    assert (status, problem["code"]) == (case.status, case.code), problem
    if case.pointer is not None:
        errors = [(error["pointer"], error["code"]) for error in problem["errors"]]
        assert case.pointer in [pointer for pointer, _ in errors], errors
        assert case.error is None or (case.pointer, case.error) in errors, errors
    assert scene.sent() == []


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"email": "anna", "password": "correct horse"}, "/email"),
        ({"email": "a@b\0", "password": "correct horse"}, "/email"),
        ({"email": "a@b", "password": 12345678}, "/password"),
        ({"email": "a@b", "password": {"key": "k", "box": "b"}}, "/password"),
        ({"email": "a@b"}, "/password"),
        ({"email": "a@b", "password": "correct horse", "roles": ["admin"]}, "/roles"),
    ],
)
async def test_a_bad_registration_leaves_no_message(scene: Scene, document: dict[str, Any], pointer: str) -> None:
    status, problem = await scene.problem("POST", "/api/auth/register", json=document)
    assert (status, problem["code"]) == (422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert scene.bus.sent == []


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        (signed_in(), (415, "unsupported_media_type", "The body is missing. Send application/json in UTF-8")),
        (as_json(), (400, "malformed_json", "The body is missing")),
    ],
)
async def test_a_body_that_is_missing_is_said_to_be(
    scene: Scene, headers: dict[str, str], answer: tuple[int, str, str]
) -> None:
    status, problem = await scene.problem("POST", DIAGRAMS, headers=headers)
    assert (status, problem["code"], problem["detail"]) == answer
    assert scene.sent() == []


async def test_a_problem_never_repeats_what_was_sent(scene: Scene) -> None:
    document = {"email": "a@b", "password": ["correct horse"], "name": 12345}
    _, problem = await scene.problem("POST", "/api/auth/register", json=document)
    assert "correct horse" not in json.dumps(problem)
    assert "12345" not in json.dumps(problem)


async def test_a_word_is_no_boolean_in_a_body(scene: Scene) -> None:
    document = {"email": "a@b", "password": "correct horse", "remember_me": "true"}
    status, problem = await scene.problem("POST", "/api/auth/login", json=document)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/remember_me")
    assert scene.bus.sent == []


async def test_what_the_edge_sets_nobody_else_can(scene: Scene) -> None:
    document = {"email": "a@b", "password": "correct horse", "address": "198.51.100.1"}
    status, problem = await scene.problem("POST", "/api/auth/login", json=document)
    assert status == 422
    assert problem["errors"][0]["pointer"] == "/address"


async def test_a_body_that_says_it_is_too_large_is_not_waited_for(scene: Scene) -> None:
    host, port = scene.listening.urls[0].removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = {"Host": host, "Content-Length": str(11 << 20)} | as_json()
    lines = ["POST /api/diagrams HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    status = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    assert status.split()[1] == b"413"


async def test_a_body_over_the_limit_is_refused(scene: Scene) -> None:
    async with open_scene(max_body_bytes=2048) as small:
        for body in (b"x" * 2049, _in_pieces(b"x" * 1025, 2)):
            status, problem = await small.problem("POST", DIAGRAMS, data=body, headers=as_json())
            assert (status, problem["code"]) == (413, "body_too_large")
        assert small.sent() == []
    scene.on(CreateDiagram, SUMMARY)
    big = raw(GOOD | {"note_content": "x" * 2049})
    async with scene.http.post(DIAGRAMS, data=big, headers=as_json()) as answer:
        assert answer.status == 201


async def _in_pieces(piece: bytes, count: int) -> Any:
    for _ in range(count):
        yield piece


async def test_a_small_body_that_unpacks_to_a_large_one_is_too_large() -> None:
    async with open_scene(max_body_bytes=2048) as scene:
        packed = gzip.compress(b" " * 100_000)
        headers = as_json(**{"Content-Encoding": "gzip"})
        status, problem = await scene.problem("POST", DIAGRAMS, data=packed, headers=headers)
        assert (status, problem["code"]) == (413, "body_too_large")


async def test_a_body_that_does_not_come_gets_408(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "READ_SECONDS", 0.05)
    over = asyncio.Event()

    async def dribble() -> Any:
        yield b'{"title"'
        await over.wait()

    asking = asyncio.create_task(scene.problem("POST", DIAGRAMS, data=dribble(), headers=as_json()))
    status, problem = await asyncio.wait_for(asking, 5)
    over.set()
    assert (status, problem["code"]) == (408, "body_timeout")


async def test_a_large_body_is_validated_as_a_small_one_is(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    elements = [{"id": f"e{n}", "x": n} for n in range(20_000)]
    assert len(raw(elements)) > body_module.PARSE_IN_THREAD_BYTES
    async with scene.http.post(
        DIAGRAMS, json=GOOD | {"canvas_data": {"elements": elements}}, headers=as_json()
    ) as answer:
        assert answer.status == 201
    assert from_json(scene.sent()[0].canvas_data) == {"elements": elements}
    status, problem = await scene.problem(
        "POST", DIAGRAMS, json=GOOD | {"canvas_data": {"elements": [*elements, "\0"]}}, headers=as_json()
    )
    where = [(error["pointer"], error["code"]) for error in problem["errors"]]
    assert (status, where) == (422, [("/canvas_data/elements/20000", "nul_in_text")])


async def test_what_was_left_out_is_not_sent_as_null(scene: Scene) -> None:
    scene.on(ChangeDiagram, SUMMARY)
    headers = as_json(**{"If-Match": '"3"', "Content-Type": "application/merge-patch+json"})
    async with scene.http.patch(ONE, json={"note_content": None}, headers=headers) as answer:
        assert answer.status == 200
    (change,) = scene.sent()
    assert change.model_fields_set == {"id", "expected_revision", "note_content"}
    assert (change.expected_revision, change.note_content) == (3, None)


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
@pytest.mark.parametrize("path", ["/api/auth/me", ONE])
async def test_no_body_is_as_good_as_an_empty_one_where_every_field_may_be_left_out(
    scene: Scene, path: str, content_type: str | None
) -> None:
    scene.on(ChangeDiagram, SUMMARY)
    scene.on(ChangeProfile, User(id=USER, email="a@b", name=None, roles=(), email_verified=False, created_at=LONG_AGO))
    headers = signed_in(**({"Content-Type": content_type} if content_type else {}))
    for data in (None, b"", _in_pieces(b"", 1)):
        async with scene.http.patch(path, data=data, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    assert [change.model_fields_set - {"id"} for change in scene.sent()] == [set()] * 3


async def test_a_password_travels_sealed_and_arrives_as_it_was(scene: Scene) -> None:
    await scene.http.post("/api/auth/register", json={"email": "a@b", "password": "correct horse"})
    (register,) = scene.sent()
    assert isinstance(register, RegisterUser)
    assert register.password.get_secret_value() == "correct horse"  # type: ignore[union-attr]  # opened by the scene
    assert b"correct horse" not in scene.bus.bodies[0]


# Of Python, of pydantic and of regular expressions: nobody who calls an API over HTTP should have to know them.
JARGON = re.compile(
    r"\b(tuple|dict|dictionary|model|literal|pydantic|python|pattern|input|regex|NoneType|str)\b", re.IGNORECASE
)
WRONG: list[Any] = [None, True, 7, 1.5, "", "x", "ä\0", "x" * 6_000, [], [1], [None], [[]], {}, {"a": 1}]


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.request.__name__)
async def test_whatever_is_wrong_is_told_in_words_of_ours(row: Endpoint) -> None:
    problems = []
    for value in (*WRONG, *({name: value} for name in row.body.model_fields for value in WRONG)):
        try:
            await parse(row.body, raw(value), row.request)
        except HttpProblem as problem:
            problems.append(await locate_error(problem, raw(value)))
    for name in (*row.query.model_fields, "unknown"):
        for value in ("", "x", "7", "true", "\0", "x" * 6_000):
            try:
                row.query.model_validate({name: value})
            except ValidationError as error:
                problems.append(from_validation_error(error))
    assert problems
    for found in (found for told in problems for found in told.errors):
        assert re.fullmatch("[a-z_]+", found.code), found
        assert not JARGON.search(found.code.replace("_", " ")), found
        assert not JARGON.search(found.detail.lower()), found
        assert "^" not in found.detail, found
        assert "\\" not in found.detail, found


async def test_broken_json_and_what_is_no_id_are_told_where(scene: Scene) -> None:
    _, problem = await scene.problem("POST", DIAGRAMS, data=b'{"title":\n  "Plan",}', headers=as_json())
    assert (problem["title"], problem["detail"]) == ("Malformed JSON", "Trailing comma in object at line 2, column 10")
    _, problem = await scene.problem("GET", "/api/diagrams/1", headers=signed_in())
    assert (problem["title"], problem["detail"]) == ("Not found", "id in the path must be an id (a UUID)")
    _, problem = await scene.problem("POST", "/api/auth/register", json={"email": "anna", "password": "correct horse"})
    (error,) = problem["errors"]
    assert error["detail"] == "must be an email address, as in anna@example.org"
