"""A request with a key is one message, however often and wherever it is sent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from contracts.auth.sessions import SignIn, Tokens
from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram, DeleteDiagram, TrashDiagram
from contracts.envelope import Envelope
from contracts.outcome import Outcome
from contracts.refusal import IdempotencyKeyReused
from gateway import request_handler
from tests.integration.gateway.scene import DIAGRAM, SESSION, SUMMARY, Scene, access_token, as_json, open_scene

DIAGRAMS = "/api/diagrams"
PLAN = {"title": "Plan", "type": "canvas"}


def with_key(key: str, **more: str) -> dict[str, str]:
    return as_json(**{"Idempotency-Key": key} | more)


async def create(scene: Scene, key: str, document: dict[str, str] = PLAN, **more: str) -> aiohttp.ClientResponse:
    async with scene.http.post(DIAGRAMS, json=document, headers=with_key(key, **more)) as answer:
        await answer.read()
        return answer


async def test_a_repeat_is_the_same_message_also_at_another_gateway(scene: Scene) -> None:
    async with open_scene() as other:
        for one in (scene, other):
            one.on(CreateDiagram, SUMMARY)
            assert (await create(one, "my-first")).status == 201
        first, second = scene.envelopes()[0], other.envelopes()[0]
    assert first.id == second.id
    assert first.id.version == 8
    assert first.fingerprint == second.fingerprint


async def test_another_key_path_method_or_caller_is_another_message(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    scene.on(ChangeDiagram, SUMMARY)
    await create(scene, "a")
    await create(scene, "b")
    await scene.http.patch(f"/api/diagrams/{DIAGRAM}", json={"title": "b"}, headers=with_key("a"))
    await scene.http.post(
        "/api/auth/register", json={"email": "a@b", "password": "x"}, headers={"Idempotency-Key": "a"}
    )
    await create(scene, "a", Authorization=f"Bearer {access_token(sub=str(SESSION), sid=str(_another(scene)))}")
    ids = [envelope.id for envelope in scene.envelopes()]
    assert len(ids) == len(set(ids)) == 5


def _another(scene: Scene) -> UUID:
    session = UUID(int=77)
    scene.sessions[session] = scene.sessions[SESSION].model_copy(update={"session_id": session, "user_id": SESSION})
    return session


async def test_quoted_and_bare_are_one_key(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    await create(scene, '"my-first"')
    await create(scene, "my-first")
    first, second = scene.envelopes()
    assert first.id == second.id


async def test_another_request_under_the_same_key_has_another_fingerprint(scene: Scene) -> None:
    for request in (TrashDiagram, DeleteDiagram, ChangeDiagram):
        scene.on(request, SUMMARY if request is ChangeDiagram else None)
    one = f"/api/diagrams/{DIAGRAM}"
    for path in (one, f"{one}?permanent=true"):
        await scene.http.delete(path, headers=with_key("gone"))
    for document, tag in (({"title": "b"}, '"3"'), ({"title": "c"}, '"3"'), ({"title": "c"}, '"4"')):
        await scene.http.patch(one, json=document, headers=with_key("change", **{"If-Match": tag}))
    found = [(envelope.id, envelope.fingerprint) for envelope in scene.envelopes()]
    assert len({identity for identity, _ in found}) == 2
    assert len({fingerprint for _, fingerprint in found}) == 5


async def test_a_preference_is_no_part_of_what_is_asked_for(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    await create(scene, "my-first", Prefer="wait=3")
    await create(scene, "my-first")
    first, second = scene.envelopes()
    assert first.fingerprint == second.fingerprint


async def test_a_replayed_outcome_says_that_it_is_one(scene: Scene) -> None:
    told = Outcome.succeeded(SUMMARY).model_copy(update={"replayed": True})
    scene.on(CreateDiagram, told)
    answer = await create(scene, "my-first")
    assert (answer.status, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert answer.headers["Location"] == f"/api/diagrams/{DIAGRAM}"
    refused = Outcome.refused(IdempotencyKeyReused()).model_copy(update={"replayed": True})
    scene.on(CreateDiagram, refused)
    answer = await create(scene, "my-first")
    assert (answer.status, answer.headers["Idempotent-Replayed"]) == (422, "true")


async def test_a_repeat_of_what_still_runs_is_told_so(scene: Scene) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slowly(_message: Any, _envelope: Envelope) -> Any:
        begun.set()
        await finish.wait()
        return SUMMARY

    scene.bus.handlers[CreateDiagram] = slowly
    first = asyncio.create_task(create(scene, "my-first"))
    await begun.wait()
    repeat = await create(scene, "my-first")
    assert repeat.status == 409
    assert (await repeat.json(content_type=None))["code"] == "still_running"
    assert int(repeat.headers["Retry-After"]) == CreateDiagram.timeout.total_seconds()
    finish.set()
    assert (await first).status == 201
    assert (await create(scene, "my-first")).status == 201
    assert len(scene.sent()) == 2


async def test_a_refused_request_leaves_its_key_free(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    assert (await create(scene, "my-first", {"title": "Plan"})).status == 422
    assert (await create(scene, "my-first")).status == 201


async def test_sign_in_ignores_the_key(scene: Scene) -> None:
    scene.on(SignIn, Tokens(access_token="a", refresh_token="r", expires_in=3600, session_id=SESSION))
    for _ in range(2):
        document = {"email": "a@b", "password": "correct horse"}
        async with scene.http.post("/api/auth/login", json=document, headers={"Idempotency-Key": "a b"}) as answer:
            assert answer.status == 200
    first, second = scene.envelopes()
    assert first.id != second.id
    assert first.fingerprint is None


async def test_without_a_key_each_request_is_a_message_of_its_own(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    for _ in range(2):
        await scene.http.post(DIAGRAMS, json=PLAN, headers=as_json())
    first, second = scene.envelopes()
    assert first.id != second.id
    assert first.id.version == 7


async def test_a_repeat_of_what_is_still_uploaded_is_told_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_handler, "MARK_SECONDS", 0.2)
    scene.on(CreateDiagram, SUMMARY)
    begun, over = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"title": "Slow", '
        begun.set()
        await over.wait()
        yield b'"type": "canvas"}'

    first = asyncio.create_task(scene.http.post(DIAGRAMS, data=slowly(), headers=with_key("k")))
    await begun.wait()
    deadline = asyncio.get_running_loop().time() + 0.6  # three times the mark's
    seen = set()
    while asyncio.get_running_loop().time() < deadline:
        seen.add((await create(scene, "k")).status)
    over.set()
    async with await first as answer:
        assert answer.status == 201
    assert seen == {409}
