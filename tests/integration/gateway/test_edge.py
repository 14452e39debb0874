"""What every answer has, and what the edge says of itself."""

import asyncio
import json
import logging as standard_logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from openapi_spec_validator import validate
from pydantic import ValidationError

from chassis import logging
from contracts.auth.sessions import InvalidCredentials, SignIn
from contracts.diagram.diagrams import CreateDiagram, DiagramNotFound, GetDiagram
from contracts.envelope import Envelope
from contracts.outcome import CommandOutcome, Outcome, outcome_query
from gateway.api.table import ENDPOINTS
from gateway.edge import SECURITY_HEADERS
from gateway.openapi import codes
from tests.eventually import eventually
from tests.integration.gateway.scene import (
    DIAGRAM,
    SUMMARY,
    USER,
    WHOLE,
    Scene,
    as_json,
    open_scene,
    settings,
    signed_in,
)

ONE = f"/api/diagrams/{DIAGRAM}"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UUID_FORM = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


async def test_a_correlation_id_and_a_trace_go_from_the_client_to_the_worker_and_back(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    headers = signed_in(**{"X-Correlation-ID": "order-7", "traceparent": TRACE})
    async with scene.http.get(ONE, headers=headers) as answer:
        assert answer.headers["X-Correlation-ID"] == "order-7"
        assert answer.headers["traceparent"] == TRACE
    (envelope,) = scene.envelopes()
    assert (envelope.correlationid, envelope.traceparent) == ("order-7", TRACE)


@pytest.mark.parametrize("bad", ["", "a b", "x" * 129, "ä", '{"a":1}'])
async def test_what_is_not_well_formed_is_made_anew(scene: Scene, bad: str) -> None:
    scene.on(GetDiagram, WHOLE)
    headers = signed_in(**{"X-Correlation-ID": bad, "traceparent": f"00-{'0' * 32}-{'1' * 16}-01"})
    async with scene.http.get(ONE, headers=headers) as answer:
        correlation_id, trace = answer.headers["X-Correlation-ID"], answer.headers["traceparent"]
    assert UUID_FORM.match(correlation_id)
    assert re.match(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-00$", trace)
    (envelope,) = scene.envelopes()
    assert (envelope.correlationid, envelope.traceparent) == (correlation_id, trace)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", ONE, 200), ("GET", "/api/nothing", 404), ("PUT", ONE, 405), ("GET", "/api/openapi.json", 200),
     ("GET", "/api/auth/me", 504), ("GET", "/health/live", 200), ("OPTIONS", ONE, 405)],
)  # fmt: skip
async def test_every_answer_has_the_security_headers(scene: Scene, method: str, path: str, status: int) -> None:
    scene.on(GetDiagram, WHOLE)
    async with scene.http.request(method, path, headers=signed_in()) as answer:
        assert answer.status == status
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value
        assert "Cache-Control" in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_wrong_method_is_told_which_are_right(scene: Scene) -> None:
    async with scene.http.put(ONE, headers=signed_in()) as answer:
        assert answer.headers["Allow"] == "DELETE, GET, HEAD, PATCH"


async def test_a_problem_says_all_that_the_rfc_wants(scene: Scene) -> None:
    _, problem = await scene.problem("GET", "/api/nothing", headers={"X-Correlation-ID": "c-7"})
    assert problem == {
        "type": "/api/docs#not_found", "title": "Not found", "status": 404,
        "detail": "Not found", "instance": "/api/nothing", "code": "not_found", "correlation_id": "c-7",
    }  # fmt: skip


async def test_a_fault_of_ours_says_nothing_of_itself(scene: Scene) -> None:
    async def breaks(_message: Any, _envelope: Envelope) -> Any:
        raise RuntimeError("the secret inside")

    scene.bus.handlers[GetDiagram] = breaks
    status, problem = await scene.problem("GET", ONE, headers=signed_in())
    assert (status, problem["code"]) == (500, "internal_error")
    assert "secret" not in json.dumps(problem)


@pytest.mark.parametrize(
    "sent", [b"not http at all\r\n\r\n", b"GET / HTTP/1.1\r\nAuthorization: Bearer " + b"s" * 20_000 + b"\r\n\r\n"]
)
async def test_what_is_no_http_gets_a_problem_and_no_line_with_what_was_sent(
    scene: Scene, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = scene.listening.urls[0].removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.split()[:2] == [b"HTTP/1.0", b"400"]
    assert b"application/problem+json" in head
    assert b"nosniff" in head
    assert json.loads(body)["code"] == "malformed_request"
    assert b"aiohttp" not in head + body
    assert "ssss" not in caplog.text


async def test_nobody_else_s_page_may_read_unless_it_is_named(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    here = {"Origin": "https://app.example.org"}
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}
    async with open_scene(cors_origins="https://app.example.org, https://other.example.org") as named:
        named.on(GetDiagram, WHOLE)
        async with named.http.options(ONE, headers=here | asks) as answer:
            assert answer.status == 204
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
            assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
            assert "If-Match" in answer.headers["Access-Control-Allow-Headers"]
        async with named.http.get(ONE, headers=signed_in(**here)) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
            assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
            assert "Origin" in answer.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in answer.headers
        for scene_, origin in ((named, "https://evil.example.org"), (scene, "https://app.example.org")):
            async with scene_.http.get(ONE, headers=signed_in(Origin=origin)) as answer:
                assert answer.status == 200
                assert "Access-Control-Allow-Origin" not in answer.headers


async def test_beyond_what_it_can_carry_the_edge_sheds_at_once() -> None:
    async with open_scene(max_concurrent_requests=2) as scene:
        begun, finish = asyncio.Semaphore(0), asyncio.Event()

        async def slowly(_message: Any, _envelope: Envelope) -> Any:
            begun.release()
            await finish.wait()
            return WHOLE

        scene.bus.handlers[GetDiagram] = slowly
        held = [asyncio.create_task(scene.http.get(ONE, headers=signed_in())) for _ in range(2)]
        for _ in held:
            await begun.acquire()
        async with scene.http.get(ONE, headers=signed_in()) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "1"
        async with scene.http.get("/health/live") as answer:  # never shed
            assert answer.status == 200
        assert scene.counted("api_gateway_active_connections") == 2
        finish.set()
        for answered in await asyncio.gather(*held):
            assert answered.status == 200
            answered.release()
        await eventually(lambda: _is(scene.counted("api_gateway_active_connections"), 0))


async def _is(found: float, expected: float) -> bool:
    return found == expected


async def test_a_gateway_that_leaves_finishes_what_it_holds_and_takes_no_more(scene: Scene) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slowly(_message: Any, _envelope: Envelope) -> Any:
        begun.set()
        await finish.wait()
        return WHOLE

    scene.bus.handlers[GetDiagram] = slowly
    held = asyncio.create_task(scene.http.get(ONE, headers=signed_in()))
    await begun.wait()
    scene.gateway.edge.draining = True
    async with scene.http.get("/health/live") as answer:  # a load balancer's grace: still served, and sent elsewhere
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
    closing = asyncio.create_task(scene.listening.close())
    await eventually(lambda: _refused(scene))
    assert not closing.done()
    finish.set()
    async with await held as answered:
        assert answered.status == 200
        assert await answered.json() == WHOLE.model_dump(mode="json")
    await closing


async def _refused(scene: Scene) -> bool:
    host, port = scene.listening.urls[0].removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def test_requests_are_counted_by_template_and_never_by_id(scene: Scene) -> None:
    scene.on(GetDiagram, WHOLE)
    await scene.http.get(ONE, headers=signed_in())
    await scene.http.get("/api/nothing/at/all")
    await scene.http.request("PROPFIND", "/api/diagrams")
    text = scene.registry.scrape().decode()
    lines = [line for line in text.splitlines() if line.startswith("api_gateway_requests_total{")]
    assert 'api_gateway_requests_total{method="GET",path="/api/diagrams/{id}",status="200"} 1.0' in lines
    assert 'api_gateway_requests_total{method="GET",path="unmatched",status="404"} 1.0' in lines
    assert str(DIAGRAM) not in text
    assert 'api_gateway_requests_total{method="other",path="unmatched",status="405"} 1.0' in lines
    assert 'api_gateway_request_duration_seconds_count{method="GET",path="/api/diagrams/{id}"} 1.0' in text
    for name in (
        "api_gateway_active_connections",
        "api_gateway_redis_connections",
        "api_gateway_rate_limit_exceeded_total",
    ):
        assert f"# TYPE {name} " in text


async def test_a_route_s_failures_are_counted_from_nought_so_that_the_first_is_an_increase(scene: Scene) -> None:
    asked_for = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    series = failures(scene)
    assert {series[method, path, status] for method, path in asked_for for status in ("500", "503", "504")} == {0}
    assert not [path for _, path, _ in series if path.startswith(("/health", "/metrics"))]

    async with scene.http.get(ONE, headers=signed_in()) as answer:
        assert answer.status == 504

    risen = {key: value for key, value in failures(scene).items() if value}
    assert risen == {("GET", "/api/diagrams/{id}", "504"): 1}
    assert failures(scene).keys() == series.keys(), "and there was a series for each that there can be"


def failures(scene: Scene) -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["method"], sample.labels["path"], sample.labels["status"]): sample.value
        for family in scene.registry.collect()
        for sample in family.samples
        if sample.name == "api_gateway_requests_total" and sample.labels["status"].startswith("5")
    }


async def test_each_request_is_a_line_with_its_correlation_id_and_no_secret(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    with _logging_to_stdout():
        document = {"email": "anna@example.org", "password": "correct horse"}
        await scene.http.post("/api/auth/login?next=secret", json=document, headers={"X-Correlation-ID": "c-7"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["event"] == "request_answered"]
    assert (line["correlation_id"], line["method"], line["path"]) == ("c-7", "POST", "/api/auth/login")
    assert line["status"] == 422
    assert "secret" not in json.dumps(lines)
    assert "horse" not in json.dumps(lines)


async def test_what_is_refused_is_a_line_that_says_to_whom_and_why(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.on(SignIn, InvalidCredentials())
    scene.on(GetDiagram, DiagramNotFound())
    with _logging_to_stdout():
        document = {"email": "anna@example.org", "password": "wrong horse"}
        await scene.http.post("/api/auth/login", json=document)
        await scene.http.get(f"/api/diagrams/{DIAGRAM}", headers=signed_in())
        await scene.http.get(f"/api/diagrams/{DIAGRAM}", headers={"Authorization": "Bearer forged-by-somebody"})
    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines()]
    failed, hidden, forged = [line for line in lines if line["event"] == "request_answered"]
    assert failed["code"] == "invalid_credentials"
    assert failed["caller"].startswith("anonymous/")
    assert (hidden["code"], hidden["caller"]) == ("diagram_not_found", f"user/{USER}")
    assert hidden["subject"] == f"diagram/{DIAGRAM}"
    assert "subject" not in failed
    assert (forged["code"], forged["caller"]) == ("invalid_token", failed["caller"]), "the same address"
    for secret in ("horse", "anna@", "forged-by-somebody"):
        assert secret not in printed


@contextmanager
def _logging_to_stdout() -> Iterator[None]:
    root = standard_logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.configure("gateway", "INFO", json=True)
    try:
        yield
    finally:
        structlog.reset_defaults()
        standard_logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)


async def test_the_api_is_described_for_programs(scene: Scene) -> None:
    async with scene.http.get("/api/openapi.json") as answer:
        document = await answer.json()
    validate(document)
    login = document["components"]["schemas"]["SignIn"]
    assert set(login["properties"]) == {"email", "password", "remember_me"}
    assert login["properties"]["password"] == {
        "format": "password", "maxLength": 1024, "title": "Password", "type": "string", "writeOnly": True,
    }  # fmt: skip
    assert "Box" not in document["components"]["schemas"]


async def test_the_api_is_described_for_people_by_a_page_without_scripts(scene: Scene) -> None:
    async with scene.http.get("/api/docs") as answer:
        assert answer.content_type == "text/html"
        policy = answer.headers["Content-Security-Policy"]
        page = await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page
    assert not re.search(r"(src|href)=[\"']?https?://", page)
    for code in codes():
        assert f'id="{code}"' in page  # a problem's type leads here
    async with scene.http.get("/api/openapi.json") as answer:
        for path in (await answer.json())["paths"]:
            assert path in page


async def test_where_clients_ask_health_is_one_word_and_figures_are_not_there(scene: Scene) -> None:
    async with scene.http.get("/health/ready") as answer:
        assert (answer.status, await answer.json()) == (503, {"status": "starting"})
    scene.health.serving()
    for path in ("/health", "/health/live", "/health/ready"):
        async with scene.http.get(path) as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
    status, problem = await scene.problem("GET", "/metrics")
    assert (status, problem["code"]) == (404, "not_found")


async def test_details_are_shown_where_clients_ask_if_a_setting_says_so() -> None:
    async with open_scene(public_details=True) as scene:
        async with scene.http.get("/health") as answer:
            assert set(await answer.json()) == {"status", "version", "checks"}
        async with scene.http.get("/metrics") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("public_url", "prefix", "hsts"),
    [
        (None, "", None),
        ("http://example.org", "", None),
        ("https://example.org/", "", "max-age=31536000"),
        ("https://example.org:8443/tools/autograph/", "/tools/autograph", "max-age=31536000"),
    ],
)
async def test_links_follow_the_public_url(public_url: str | None, prefix: str, hsts: str | None) -> None:
    async with open_scene(public_url=public_url) as scene:
        scene.on(CreateDiagram, SUMMARY)
        plan = {"title": "Plan", "type": "canvas"}
        async with scene.http.post("/api/diagrams", json=plan, headers=as_json()) as answer:
            assert answer.headers["Location"] == prefix + ONE
            assert answer.headers.get("Strict-Transport-Security") == hsts
        headers = as_json(Prefer="respond-async")
        async with scene.http.post("/api/diagrams", json=plan, headers=headers) as answer:
            place = answer.headers["Location"]
            assert place.startswith(f"{prefix}/api/commands/")
            assert (await answer.json())["command"] == place
        refused = Outcome.refused(DiagramNotFound())
        scene.on(outcome_query("diagram"), CommandOutcome(outcome=refused))
        async with scene.http.get(place.removeprefix(prefix), headers=signed_in()) as answer:
            assert (await answer.json())["problem"]["type"] == f"{prefix}/api/docs#diagram_not_found"
        _, problem = await scene.problem("GET", "/api/nothing")
        assert problem["type"] == f"{prefix}/api/docs#not_found"
        assert problem["instance"] == f"{prefix}/api/nothing"
        async with scene.http.get("/api/openapi.json") as answer:
            described = await answer.json()
        assert described["servers"] == [{"url": public_url.rstrip("/") if public_url else "/"}]
        async with scene.http.get("/api/docs") as answer:
            assert 'href="openapi.json"' in await answer.text()


@pytest.mark.parametrize(
    "public_url", ["example.org", "ftp://example.org", "https://example.org/?a=1", "https://me:pw@example.org"]
)
def test_a_public_url_is_a_host_and_perhaps_a_path(public_url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        settings(public_url=public_url)
