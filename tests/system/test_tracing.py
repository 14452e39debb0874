"""One request is one trace: the edge, the workers that it went to, and their statements."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.eventually import eventually
from tests.system.client import somebody
from tests.system.stack import Stack

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = f"00-{TRACE}-b7ad6b7169203331-01"
CREATING = "process autograph.diagram.create_diagram.v1"


@dataclass(frozen=True)
class Seen:
    service: str
    name: str
    kind: int
    id: str
    parent: str
    attributes: dict[str, str]


@dataclass
class Collector:
    """Takes OTLP over HTTP as an OpenTelemetry collector does."""

    url: str = ""
    spans: dict[str, list[Seen]] = field(default_factory=dict)  # by trace

    async def take(self, request: web.Request) -> web.Response:
        exported = ExportTraceServiceRequest.FromString(await request.read())
        for resource in exported.resource_spans:
            facts = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {one.key: one.value.string_value for one in span.attributes}
                    seen = Seen(
                        facts["service.name"], span.name, span.kind, span.span_id.hex(), span.parent_span_id.hex(),
                        attributes,
                    )  # fmt: skip
                    self.spans.setdefault(span.trace_id.hex(), []).append(seen)
        return web.Response()


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    taken = Collector()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/v1/traces", taken.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        taken.url = f"http://{host}:{port}"
        yield taken
    finally:
        await runner.cleanup()


@pytest.mark.slow("starts and stops a stack")
async def test_a_request_is_followed_from_the_edge_through_the_worker_to_the_statement(another: Stack) -> None:
    async with collector() as taken:
        another.up(AUTOGRAPH_OTLP_URL=taken.url)
        await another.ready()
        async with somebody((await another.status())["gateway"]["url"]) as person:
            made = await person.create(traceparent=CLIENT)
        assert made.status == 201
        assert made.headers["traceparent"].split("-")[1] == TRACE

        async def told() -> list[Seen]:
            spans = taken.spans.get(TRACE, [])
            assert {span.name for span in spans} >= {"POST /api/diagrams", CREATING}
            assert any(span.service == "autograph-auth" for span in spans)
            return spans

        spans = await eventually(told, within_seconds=30)
        assert await another.end() == 0
    [edge] = [span for span in spans if span.service == "autograph-gateway"]
    assert (edge.name, edge.parent) == ("POST /api/diagrams", "b7ad6b7169203331")
    [work] = [span for span in spans if span.name == CREATING]
    assert (work.service, work.parent) == ("autograph-diagram", edge.id)
    assert work.attributes["autograph.outcome"] == "done"
    statements = [span.attributes["db.query.text"] for span in spans if span.parent == work.id]
    assert any("INSERT INTO" in statement for statement in statements)
    assert not any("health" in span.name for kept in taken.spans.values() for span in kept)
    for service in ("gateway", "diagram"):
        assert any(line.get("trace_id") == TRACE for line in another.log(service))


async def test_without_a_collector_nothing_that_traces_is_loaded() -> None:
    look = "import sys, gateway.__main__, workers.diagram.__main__; print(*sys.modules)"
    python = await asyncio.create_subprocess_exec(sys.executable, "-c", look, stdout=asyncio.subprocess.PIPE)
    loaded, _ = await python.communicate()
    assert python.returncode == 0
    assert "chassis.tracing" in loaded.decode().split()
    tracers = (
        "opentelemetry.sdk.trace",
        "opentelemetry.exporter",
    )  # its API is loaded by redis-py, wherever it finds it
    assert not [name for name in loaded.decode().split() if name.startswith(tracers)]
