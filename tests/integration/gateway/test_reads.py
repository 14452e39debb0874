"""Representations: ETags, 304, HEAD, preconditions."""

from typing import Any

import pytest

from contracts.diagram import (
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
from contracts.refusal import Forbidden
from tests.integration.gateway.scene import DIAGRAM, SUMMARY, WHOLE, Scene, as_json, signed_in

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
    [('"3"', 3), ("*", "*"), (None, None), ('W/"3"', 0), ('"abc"', 0), ('"03"', 0), ('"٣"', 0), (f'"{10**30}"', 0)],
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
