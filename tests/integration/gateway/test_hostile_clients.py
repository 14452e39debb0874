"""What no ordinary client sends: told to be the client's mistake, cheap for us, and never half believed."""

import asyncio
import gzip
import io
import json
from contextlib import suppress
from typing import Any

import pytest

from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram, DeleteDiagram, GetDiagram, TrashDiagram
from gateway import body as body_module
from gateway.problems import MAX_COLLECTED_ERRORS, MAX_NAME_CHARACTERS, MAX_REPORTED_ERRORS
from tests.eventually import eventually
from tests.integration.gateway.scene import DIAGRAM, SUMMARY, WHOLE, Scene, access_token, as_json, open_scene, signed_in

DIAGRAMS = "/api/diagrams"
ONE = f"/api/diagrams/{DIAGRAM}"
PLAN = {"title": "Plan", "type": "canvas"}


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(scene: Scene) -> Connection:
    host, port = scene.listening.urls[0].removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


def head(request_line: str, *lines: str) -> bytes:
    authorization = f"Authorization: Bearer {access_token()}"
    always = ("Host: here", "Connection: close", "Content-Type: application/json", authorization)
    return "\r\n".join((request_line, *always, *lines, "", "")).encode("latin-1")


async def exchanged(scene: Scene, sent: bytes) -> tuple[int, dict[str, Any]]:
    reader, writer = await connected(scene)
    writer.write(sent)
    top, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert b"application/problem+json" in top
    assert b"x-correlation-id" in top.lower()
    return int(top.split()[1]), json.loads(body)


def failures(scene: Scene) -> float:
    return sum(
        sample.value
        for family in scene.registry.collect()
        for sample in family.samples
        if sample.name == "api_gateway_requests_total" and sample.labels["status"].startswith("5")
    )


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
async def test_a_body_that_is_not_packed_as_it_says_is_the_client_s_mistake(scene: Scene, packing: str) -> None:
    headers = as_json(**{"Content-Encoding": packing})
    status, problem = await scene.problem("POST", DIAGRAMS, data=b"\xff\xff\xff\xff", headers=headers)
    assert (status, problem["code"]) == (400, "body_broken")
    assert scene.sent() == []
    assert failures(scene) == 0


async def test_a_packed_body_is_read(scene: Scene) -> None:
    scene.on(CreateDiagram, SUMMARY)
    packed = gzip.compress(json.dumps(PLAN).encode())
    async with scene.http.post(DIAGRAMS, data=packed, headers=as_json(**{"Content-Encoding": "gzip"})) as answer:
        assert answer.status == 201


@pytest.mark.parametrize(
    ("path", "coding", "accepted"),
    [("/api/auth/register", "gzip", "identity"), ("/api/auth/logout", "deflate", "identity"),
     (DIAGRAMS, "br", "gzip, deflate"), (DIAGRAMS, "gzip, gzip", "gzip, deflate"), (DIAGRAMS, "x", "gzip, deflate")],
)  # fmt: skip
async def test_a_coding_that_is_not_needed_is_refused_with_those_that_are_read(
    scene: Scene, path: str, coding: str, accepted: str
) -> None:
    headers = as_json(**{"Content-Encoding": coding})
    async with scene.http.post(path, data=gzip.compress(b"{}"), headers=headers) as answer:
        assert (answer.status, answer.headers["Accept-Encoding"]) == (415, accepted)
        detail = (await answer.json(content_type=None))["detail"]
    if accepted == "identity":
        assert detail == "This request must not be compressed: send it without Content-Encoding"
    else:
        assert detail == "Content-Encoding may be gzip or deflate"
    assert scene.sent() == []


async def test_large_bodies_wait_for_each_other_and_small_ones_for_none(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = asyncio.Event()

    async def slowly(_message: Any, _envelope: Any) -> Any:
        await finish.wait()
        return SUMMARY

    monkeypatch.setattr(body_module, "BUDGET_SECONDS", 0.2)
    scene.bus.handlers[CreateDiagram] = slowly
    large = json.dumps(PLAN | {"type": "note", "note_content": "x" * 4_900_000}).encode()

    def save() -> "asyncio.Task[tuple[int, Any]]":
        return asyncio.create_task(scene.problem("POST", DIAGRAMS, data=io.BytesIO(large), headers=as_json()))

    first = [save() for _ in range(14)]
    refused, _ = await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    assert {(await task)[0] for task in refused} == {503}
    small = asyncio.create_task(scene.http.post(DIAGRAMS, json=PLAN, headers=as_json()))
    await eventually(lambda: _sent(scene, "Plan", "canvas"))
    finish.set()
    async with await small as answer:
        assert answer.status == 201
    for task in first:
        task.cancel()


async def _sent(scene: Scene, title: str, kind: str) -> bool:
    return any((message.title, message.type) == (title, kind) for message in scene.sent())


async def test_a_client_that_leaves_within_its_body_is_no_failure_of_ours_and_leaves_its_key_free(
    scene: Scene,
) -> None:
    scene.on(CreateDiagram, SUMMARY)
    key = {"Idempotency-Key": "half-sent"}
    reader, writer = await connected(scene)
    writer.write(head(f"POST {DIAGRAMS} HTTP/1.1", "Idempotency-Key: half-sent", "Content-Length: 300") + b"{")
    await eventually(lambda: _active(scene, 1))
    writer.transport.abort()
    await eventually(lambda: _active(scene, 0))
    assert not await reader.read()
    assert failures(scene) == 0
    async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(**key)) as answer:
        assert answer.status == 201
    assert len(scene.sent()) == 1


async def test_a_client_that_leaves_once_all_is_sent_leaves_its_command_to_be_carried_out(scene: Scene) -> None:
    """And its key is free for the repeat as soon as that is done."""
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slowly(_message: Any, _envelope: Any) -> Any:
        begun.set()
        await finish.wait()
        return SUMMARY

    scene.bus.handlers[CreateDiagram] = slowly
    body = json.dumps(PLAN).encode()
    _, writer = await connected(scene)
    length = f"Content-Length: {len(body)}"
    writer.write(head(f"POST {DIAGRAMS} HTTP/1.1", "Idempotency-Key: left", length) + body)
    await begun.wait()
    writer.transport.abort()
    finish.set()
    await eventually(lambda: _active(scene, 0))
    async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json(**{"Idempotency-Key": "left"})) as answer:
        assert answer.status == 201
    first, second = scene.envelopes()
    assert first.id == second.id


async def _half_sent(scene: Scene, count: int, *, path: str = "/api/auth/register") -> list[Connection]:
    """Requests of whose bodies one byte has come."""
    found = []
    for _ in range(count):
        reader, writer = await connected(scene)
        writer.write(head(f"POST {path} HTTP/1.1", "Content-Length: 300") + b"{")
        found.append((reader, writer))
    return found


async def test_bodies_that_do_not_come_take_no_places_of_others() -> None:
    async with open_scene(max_concurrent_requests=3, max_concurrent_requests_per_address=0) as scene:
        scene.on(CreateDiagram, SUMMARY)
        slow = await _half_sent(scene, 20)
        await eventually(lambda: _active(scene, 20))
        async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json()) as answer:
            assert answer.status == 201
        for _, writer in slow:
            writer.transport.abort()


async def test_one_client_has_a_share_of_the_places_and_others_the_rest() -> None:
    async with open_scene(max_concurrent_requests_per_address=5, trusted_proxies=1) as scene:
        scene.on(CreateDiagram, SUMMARY)
        slow = await _half_sent(scene, 5)
        await eventually(lambda: _active(scene, 5))
        status, problem = await scene.problem("POST", DIAGRAMS, json=PLAN, headers=as_json())
        assert (status, problem["code"]) == (503, "unavailable")
        others = as_json(**{"X-Forwarded-For": "198.51.100.7"})
        async with scene.http.post(DIAGRAMS, json=PLAN, headers=others) as answer:
            assert answer.status == 201
        for _, writer in slow:
            writer.transport.abort()
        await eventually(lambda: _active(scene, 0))
        async with scene.http.post(DIAGRAMS, json=PLAN, headers=as_json()) as answer:
            assert answer.status == 201


async def test_a_body_that_comes_slower_than_the_least_rate_is_not_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_module, "GRACE_SECONDS", 0.3)
    reader, writer = await connected(scene)
    writer.write(head(f"POST {DIAGRAMS} HTTP/1.1", "Content-Length: 300"))
    dribbled = 0
    while not reader.at_eof() and dribbled < 300:
        try:
            async with asyncio.timeout(0.05):
                status = await reader.readline()
                break
        except TimeoutError:
            writer.write(b" ")
            dribbled += 1
    writer.transport.abort()
    assert status.split()[1] == b"408"
    assert dribbled < 300


async def _active(scene: Scene, count: int) -> bool:
    return scene.counted("api_gateway_active_connections") == count


@pytest.mark.parametrize("sent", [b"", b"GET /health/live HTTP/1.1\r\nHost: he", b"\r\n"])
async def test_a_connection_on_which_no_request_comes_is_not_kept(sent: bytes) -> None:
    async with open_scene(idle_connection_seconds=0.1) as scene:
        new = await connected(scene)
        used = await eventually(lambda: _connected_and_answered(scene))
        assert used is not None
        for reader, writer in (new, used):
            with suppress(ConnectionError):  # closed before we wrote, on a machine that was busy for longer than that
                writer.write(sent)
                await asyncio.wait_for(reader.read(), 5)  # to its end
            writer.transport.abort()


async def _connected_and_answered(scene: Scene) -> Connection | None:
    """None where the machine was so busy that the connection was closed before its request came."""
    reader, writer = await connected(scene)
    with suppress(ConnectionError):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
        if (await reader.readline()).startswith(b"HTTP/1.1 200"):
            return reader, writer
    writer.transport.abort()
    return None


async def test_a_flag_that_stands_twice_deletes_nothing(scene: Scene) -> None:
    scene.on(TrashDiagram, None)
    scene.on(DeleteDiagram, None)
    for query in ("permanent=false&permanent=true", "permanent=true&permanent=true"):
        status, problem = await scene.problem("DELETE", f"{ONE}?{query}", headers=signed_in())
        assert (status, problem["errors"][0]["pointer"], problem["errors"][0]["code"]) == (
            422, "/permanent", "repeated",
        )  # fmt: skip
    assert scene.sent() == []


async def test_of_two_keys_neither_is_chosen(scene: Scene) -> None:
    scene.on(ChangeDiagram, SUMMARY)
    headers = [*as_json().items(), *(("Idempotency-Key", value) for value in "ab")]
    status, problem = await scene.problem("PATCH", ONE, json={"title": "b"}, headers=headers)
    assert (status, problem["code"]) == (400, "malformed_header")
    assert scene.sent() == []


async def test_of_two_lines_of_tags_neither_is_chosen_since_either_will_do(scene: Scene) -> None:
    scene.on(ChangeDiagram, SUMMARY)
    headers = [*as_json().items(), ("If-Match", '"3"'), ("If-Match", '"4"')]
    async with scene.http.patch(ONE, json={"title": "b"}, headers=headers) as answer:
        assert answer.status == 200
    (change,) = scene.sent()
    assert (change.expected_revision, change.other_revisions) == (4, (3,))


async def test_tags_in_several_header_lines_are_one_list(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    headers = [*signed_in().items(), ("If-None-Match", '"1"'), ("If-None-Match", '"3"')]
    async with scene.http.get(ONE, headers=headers) as answer:
        assert answer.status == 304


async def test_a_malformed_key_counts_as_any_other_request() -> None:
    async with open_scene(rate_limit_per_user=2) as scene:
        headers = as_json(**{"Idempotency-Key": "a b"})
        found = [(await scene.problem("POST", DIAGRAMS, json=PLAN, headers=headers))[0] for _ in range(3)]
        assert found == [400, 400, 429]


async def test_an_answer_to_a_thousand_mistakes_is_no_larger_than_to_a_hundred(scene: Scene) -> None:
    document = PLAN | {f"field-{number}": number for number in range(MAX_COLLECTED_ERRORS)}
    status, problem = await scene.problem("POST", DIAGRAMS, json=document, headers=as_json())
    assert (status, len(problem["errors"])) == (422, MAX_REPORTED_ERRORS)
    status, problem = await scene.problem("POST", DIAGRAMS, json=document | {"more": 1}, headers=as_json())
    assert status == 422
    assert [error["code"] for error in problem["errors"]] == ["too_many_errors"]


@pytest.mark.parametrize("body", [{"n" * 50_000: 1} | PLAN, None])
async def test_a_name_as_long_as_a_body_does_not_come_back(scene: Scene, body: Any) -> None:
    name = b'"' + b"n" * 50_000 + b'"'
    twice = b'{"title": "a", "type": "canvas", "canvas_data": {' + name + b": 1, " + name + b": 2}}"
    data = twice if body is None else json.dumps(body).encode()
    status, problem = await scene.problem("POST", DIAGRAMS, data=data, headers=as_json())
    assert status == 422
    assert MAX_NAME_CHARACTERS < len(json.dumps(problem["errors"])) < MAX_NAME_CHARACTERS + 200


@pytest.mark.parametrize(
    "request_line",
    ["GET /api/diagrams/%2e%2e/diagrams HTTP/1.1", "GET //api/diagrams HTTP/1.1", "GET /api/x/../diagrams HTTP/1.1",
     "GET /api/diagrams/ HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /api/%ED%A0%80 HTTP/1.1", "GET /API/diagrams HTTP/1.1"],
)  # fmt: skip
async def test_a_path_is_what_it_says_and_nothing_that_it_might_mean(scene: Scene, request_line: str) -> None:
    status, problem = await exchanged(scene, head(request_line))
    assert (status, problem["code"]) == (404, "not_found")
    assert scene.sent() == []


@pytest.mark.parametrize(
    "lines",
    [("Content-Length: -1",), ("Content-Length: 99999999999999999999999",), ("Content-Length: 3", "Content-Length: 4"),
     ("Transfer-Encoding: chunked", "Content-Length: 3"), ("Transfer-Encoding: sideways", "Content-Length: 3"),
     ("Transfer-Encoding: gzip, chunked",), ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
     ("Transfer-Encoding: chunked, chunked",)],
)  # fmt: skip
async def test_a_length_that_lies_is_not_believed(scene: Scene, lines: tuple[str, ...]) -> None:
    """Nor left to us and a proxy before us to read differently."""
    status, problem = await exchanged(scene, head(f"POST {DIAGRAMS} HTTP/1.1", *lines) + b"{}}")
    assert (status, problem["code"]) == (400, "malformed_request")
    assert scene.sent() == []


async def test_a_token_whose_head_is_a_labyrinth_is_no_token(scene: Scene) -> None:
    labyrinth = "W1tb" * 900  # "[[[" in base64
    headers = {"Authorization": f"Bearer {labyrinth}.e30.eA"}
    status, problem = await scene.problem("GET", "/api/auth/me", headers=headers)
    assert (status, problem["code"]) == (401, "invalid_token")


async def test_what_a_client_writes_into_headers_makes_no_headers(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    async with open_scene(cors_origins="*") as open_to_all:
        open_to_all.on(GetDiagram, WHOLE)
        sent = head(f"GET {ONE} HTTP/1.1", "Origin: \xff", "X-Correlation-ID: a\x0bSet-Cookie: b", "Prefer: \xff=,;")
        reader, writer = await connected(open_to_all)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
    assert answer.split()[1] in (b"200", b"400")
    assert b"Set-Cookie" not in answer
