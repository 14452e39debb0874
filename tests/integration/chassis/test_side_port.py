"""What Prometheus and an orchestrator get from the side port."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from chassis.health import Health
from chassis.metrics import process_registry
from chassis.side_port import side_port


@asynccontextmanager
async def opened(health: Health) -> AsyncIterator[aiohttp.ClientSession]:
    registry = process_registry("test", "1.2.3")
    async with (
        side_port("127.0.0.1", 0, registry=registry, health=health) as url,
        aiohttp.ClientSession(url) as client,
    ):
        yield client


async def away() -> None:
    raise ConnectionRefusedError("no route to amqp://user:hunter2@host/")


async def test_prometheus_gets_its_text_format_whatever_it_would_rather_have() -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    async with opened(Health("1.2.3")) as client, client.get("metrics", headers=accept) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert 'autograph_build_info{service="test",version="1.2.3"} 1.0' in await answer.text()


async def test_a_failing_check_is_named_without_its_reason() -> None:
    health = Health("1.2.3")
    health.serving()
    health.check("rabbitmq", away)
    async with opened(health) as client:
        for path in ("health", "health/ready"):
            async with client.get(path) as answer:
                assert answer.status == 503
                assert answer.headers["Cache-Control"] == "no-store"
                text = await answer.text()
        async with client.get("health/live") as answer:
            assert answer.status == 200
            assert await answer.json() == {"status": "ok", "version": "1.2.3", "checks": {}}

    report = json.loads(text)
    latency = report["checks"]["rabbitmq"].pop("latency_ms")
    assert latency >= 0
    assert report == {"status": "unavailable", "version": "1.2.3", "checks": {"rabbitmq": {"status": "failing"}}}
    assert "hunter2" not in text


async def test_a_degraded_process_is_still_ready() -> None:
    health = Health("1.2.3")
    health.serving()
    health.check("redis", away, needed=False)
    async with opened(health) as client, client.get("health/ready") as answer:
        assert answer.status == 200
        assert (await answer.json())["status"] == "degraded"
