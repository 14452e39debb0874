"""Representations: ETags, 304, HEAD, preconditions."""

import gzip
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from contracts.auth.accounts import GetMe, User
from contracts.diagram.diagrams import (
    ChangeDiagram,
    CreateDiagram,
    DeleteDiagram,
    DiagramNotFound,
    DiagramPage,
    GetDiagram,
    ListDiagrams,
    RestoreDiagram,
    RevisionRequired,
    StaleRevision,
    TrashDiagram,
)
from contracts.diagram.versions import GetVersion, Version
from contracts.refusal import Forbidden
from tests.integration.gateway.scene import DIAGRAM, LONG_AGO, SUMMARY, USER, WHOLE, Scene, as_json, signed_in

ONE = f"/api/diagrams/{DIAGRAM}"


async def test_a_diagram_comes_whole_with_its_revision_as_etag(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    async with scene.http.get(ONE, headers=signed_in()) as answer:
        assert answer.status == 200
        assert answer.headers["ETag"] == '"3"'
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert await answer.json() == WHOLE.model_dump(mode="json")


async def test_a_canvas_comes_as_the_worker_sent_it(scene: Scene) -> None:
    canvas = b'{"z":[1e+300,123456789012345678901234567890,1.50],"a":"\xc3\xa4\xe2\x80\xa8"}'
    scene.on(GetDiagram, WHOLE.model_copy(update={"canvas_data": canvas}))
    async with scene.http.get(ONE, headers=signed_in()) as answer:
        assert b'"thumbnail_url":null,"canvas_data":' + canvas + b',"note_content":null}' in await answer.read()


@pytest.mark.parametrize(
    ("known", "status"), [('"3"', 304), ('W/"3"', 304), ('"1", "3"', 304), ("*", 304), ('"2"', 200), ("3", 200)]
)
async def test_what_the_client_has_already_is_not_sent_again(scene: Scene, known: str, status: int) -> None:
    scene.on(GetDiagram, WHOLE)
    async with scene.http.get(ONE, headers=signed_in(**{"If-None-Match": known})) as answer:
        assert answer.status == status
        assert answer.headers["ETag"] == '"3"'
        assert (await answer.read() == b"") is (status == 304)


async def test_head_says_what_get_would(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    async with scene.http.get(ONE, headers=signed_in()) as answer:
        whole = await answer.read()
    async with scene.http.head(ONE, headers=signed_in()) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["ETag"] == '"3"'
        assert int(answer.headers["Content-Length"]) == len(whole)


async def test_a_list_takes_typed_parameters_from_the_query(scene: Scene) -> None:
    scene.on(ListDiagrams, DiagramPage(items=(SUMMARY,), next_cursor=None, total=1))
    query = {"view": "trash", "limit": "7", "order": "asc", "created_from": "2026-01-01T00:00:00Z", "q": "plän"}
    async with scene.http.get("/api/diagrams", params=query, headers=signed_in()) as answer:
        assert answer.status == 200
        assert (await answer.json())["total"] == 1
        assert "ETag" not in answer.headers
    (asked,) = scene.sent()
    assert (asked.view, asked.limit, asked.order, asked.q) == ("trash", 7, "asc", "plän")
    assert asked.created_from.isoformat() == "2026-01-01T00:00:00+00:00"


async def test_what_was_made_has_an_address_and_an_etag(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    async with scene.http.post("/api/diagrams", json={"title": "Plan", "type": "canvas"}, headers=as_json()) as answer:
        assert answer.status == 201
        assert answer.headers["Location"] == ONE
        assert answer.headers["ETag"] == '"3"'


@pytest.mark.parametrize(
    ("tag", "expected"),
    [('"3"', 3), ("*", "*"), (None, None), ('W/"3"', 3), ('"3-gzip"', 3), ('"abc"', 0), ('"03"', 0), ('"٣"', 0)],
)
async def test_if_match_becomes_the_revision_that_the_change_is_based_on(
    scene: Scene, tag: str | None, expected: Any
) -> None:
    """0 is no diagram's revision: refused as stale, with the current one."""
    scene.on(ChangeDiagram, SUMMARY)
    headers = as_json(**{"If-Match": tag}) if tag else as_json()
    async with scene.http.patch(ONE, json={"title": "b"}, headers=headers) as answer:
        assert answer.status == 200
    assert scene.sent()[0].expected_revision == expected


async def test_a_stale_change_gets_412_with_the_current_etag(scene: Scene) -> None:
    scene.on(ChangeDiagram, StaleRevision(current_revision=7))
    async with scene.http.patch(ONE, json={"title": "b"}, headers=as_json(**{"If-Match": '"3"'})) as answer:
        assert answer.status == 412
        assert answer.headers["ETag"] == '"7"'
        problem = await answer.json(content_type=None)
    assert (problem["code"], problem["current_etag"]) == ("stale_revision", '"7"')


@pytest.mark.parametrize(
    ("refusal", "status"), [(RevisionRequired(), 428), (DiagramNotFound(), 404), (Forbidden("no"), 403)]
)
async def test_a_refusal_has_the_status_of_its_kind(scene: Scene, refusal: Any, status: int) -> None:
    scene.on(ChangeDiagram, refusal)
    found, problem = await scene.problem("PATCH", ONE, json={"title": "b"}, headers=as_json())
    assert (found, problem["code"], problem["title"]) == (status, refusal.code, refusal.title)


@pytest.mark.parametrize(
    ("query", "request_type"),
    [("", TrashDiagram), ("?permanent=false", TrashDiagram), ("?permanent=true", DeleteDiagram)],
)
async def test_delete_means_the_trash_unless_it_says_for_good(scene: Scene, query: str, request_type: Any) -> None:
    scene.on(request_type, None)
    async with scene.http.delete(f"{ONE}{query}", headers=signed_in(**{"If-Match": '"3"'})) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    (sent,) = scene.sent()
    assert type(sent) is request_type
    assert (sent.id, sent.expected_revision) == (DIAGRAM, 3)


async def test_a_post_without_a_body_needs_no_media_type(scene: Scene) -> None:
    scene.on(RestoreDiagram, SUMMARY)
    for data in (None, b"", b"{}"):
        async with scene.http.post(f"{ONE}/restore", data=data, headers=signed_in()) as answer:
            assert answer.status == 200


async def test_any_of_several_revisions_will_do(scene: Scene) -> None:
    scene.on(ChangeDiagram, SUMMARY)
    for tags in ([("If-Match", '"3", W/"7", "7-gzip"')], [("If-Match", '"3"'), ("If-Match", '"7"')]):
        headers = CIMultiDict([*as_json().items(), *tags])
        async with scene.http.patch(ONE, json={"title": "b"}, headers=headers) as answer:
            assert answer.status == 200
        change = scene.sent()[-1]
        assert (change.expected_revision, change.other_revisions) == (7, (3,))


LARGE = WHOLE.model_copy(update={"canvas_data": b'{"elements":[%b]}' % b",".join([b'"wort"'] * 10_000)})
LARGE_VERSION = Version(
    number=1, label=None, description=None, size_bytes=2, created_at=LONG_AGO, created_by=USER, diagram_id=DIAGRAM,
    canvas_data=LARGE.canvas_data, note_content=None,
)  # fmt: skip
ME = User(id=USER, email="a@b", name="x" * 100_000, roles=("user",), email_verified=False, created_at=LONG_AGO)


@pytest.mark.parametrize(
    ("accept", "coding", "tag"), [("gzip, br", "gzip", '"3-gzip"'), (None, None, '"3"'), ("gzip;q=0", None, '"3"')]
)
async def test_a_large_answer_is_compressed_for_whoever_takes_it(
    scene: Scene, accept: str | None, coding: str | None, tag: str
) -> None:
    scene.on(GetDiagram, LARGE)
    scene.on(GetVersion, LARGE_VERSION)
    headers = signed_in(**({"Accept-Encoding": accept} if accept else {}))
    async with aiohttp.ClientSession(
        scene.listening.urls[0], auto_decompress=False, skip_auto_headers=["Accept-Encoding"]
    ) as http:
        async with http.get(ONE, headers=headers) as answer:
            body = await answer.read()
            assert (answer.headers.get("Content-Encoding"), answer.headers["ETag"]) == (coding, tag)
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert int(answer.headers["Content-Length"]) == len(body)
            assert (gzip.decompress(body) if coding else body) == LARGE.json_bytes()
            assert not coding or len(body) < len(LARGE.json_bytes()) / 10
        async with http.head(ONE, headers=headers) as answer:
            assert (answer.headers["ETag"], int(answer.headers["Content-Length"])) == (tag, len(body))
        async with http.get(f"{ONE}/versions/1", headers=headers) as answer:
            assert answer.headers.get("Content-Encoding") == coding
        async with http.get(ONE, headers=headers | {"If-None-Match": tag}) as answer:
            assert (answer.status, answer.headers["ETag"]) == (304, tag)
            assert answer.headers["Vary"] == "Accept-Encoding"


async def test_a_small_answer_and_one_of_another_kind_are_left_as_they_are(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    scene.on(GetMe, ME)
    headers = signed_in(**{"Accept-Encoding": "gzip"})
    for path, vary in ((ONE, "Accept-Encoding"), ("/api/auth/me", None)):
        async with scene.http.get(path, headers=headers) as answer:
            assert answer.status == 200
            assert "Content-Encoding" not in answer.headers
            assert answer.headers.get("Vary") == vary
