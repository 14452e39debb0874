"""Prometheus sees every process of the stack, and Alertmanager hears from it."""

import json
from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.deploy.stack import Containers
from tests.eventually import eventually
from tests.manifests.compose_files import SERVICES

pytestmark = pytest.mark.deploy
SCRAPED_SECONDS = 120.0  # a few of its rounds: another test may have restarted what it looks at


async def asked(containers: Containers, path: str) -> Any:
    address = containers.address("prometheus", 9090)
    async with aiohttp.ClientSession(address, raise_for_status=True) as client, client.get(f"/api/v1/{path}") as answer:
        return (await answer.json())["data"]


async def test_prometheus_has_every_process_as_a_target_that_is_up(containers: Containers) -> None:
    async def all_up() -> bool:
        targets = (await asked(containers, "targets"))["activeTargets"]
        assert {target["health"] for target in targets} == {"up"}
        services = Counter(target["labels"].get("service", target["labels"]["job"]) for target in targets)
        return services == dict.fromkeys((*SERVICES, "rabbitmq", "rabbitmq-queues", "prometheus"), 1)

    assert await eventually(all_up, within_seconds=SCRAPED_SECONDS)


async def test_an_alert_reaches_alertmanager(containers: Containers) -> None:
    known = (await asked(containers, "alertmanagers"))["activeAlertmanagers"]
    assert [one["url"] for one in known] == ["http://alertmanager:9093/api/v2/alerts"]
    get = ("wget", "--quiet", "--output-document=-", "http://alertmanager:9093/api/v2/alerts")

    async def watchdog_is_there() -> bool:
        alerts = json.loads(containers.inside("prometheus", *get))
        return "AutographWatchdog" in {alert["labels"]["alertname"] for alert in alerts}

    assert await eventually(watchdog_is_there, within_seconds=SCRAPED_SECONDS)
