"""A real Prometheus reads the running system by our rules, and a real Alertmanager hears what it makes of it."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bench.prometheus import running
from tests.eventually import eventually
from tests.monitoring import DASHBOARDS, RULES, programs
from tests.system.client import somebody
from tests.system.stack import Stack

SERVICES = ("gateway", "auth", "diagram")
RELIED_ON = (
    "api_gateway_requests_total", "api_gateway_request_duration_seconds_bucket", "api_gateway_active_connections",
    "api_gateway_circuit_breaker_state", "api_gateway_redis_connections",
    "auth_service_requests_total", "auth_service_request_duration_seconds_bucket", "auth_service_active_connections",
    "auth_service_login_attempts_total", "auth_service_registration_attempts_total", "auth_service_tokens_issued_total",
    "auth_service_database_queries_total", "auth_service_database_query_duration_seconds_bucket",
    "diagram_service_requests_total", "diagram_service_request_duration_seconds_bucket",
    "diagram_service_active_connections", "diagram_service_diagrams_created_total",
    "diagram_service_diagrams_updated_total", "diagram_service_diagrams_deleted_total",
    "autograph_deliveries_total", "autograph_handler_seconds_bucket", "autograph_queue_wait_seconds_bucket",
    "autograph_outbox_depth", "autograph_outbox_oldest_seconds", "autograph_pool_connections", "autograph_consumers",
    "autograph_health_check_ok", "autograph_event_loop_lag_seconds_bucket", "rabbitmq_queue_messages_ready",
    "rabbitmq_alarms_memory_used_watermark",
)  # fmt: skip
# Only what went wrong, was limited, or was archived after an hour has these.
NOT_ON_A_GOOD_DAY = (
    "autograph_retries_total", "autograph_parked_total", "api_gateway_circuit_breaker_failures_total",
    "api_gateway_rate_limit_exceeded_total", "diagram_service_archive", "diagram_service_storage",
    "rabbitmq_process_resident_memory_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Monitoring:
    prometheus: str
    alertmanager: str
    http: aiohttp.ClientSession

    async def query(self, expression: str) -> list[dict[str, Any]]:
        async with self.http.post(f"{self.prometheus}/api/v1/query", data={"query": expression}) as answer:
            document = await answer.json()
        assert document["status"] == "success", f"{expression}: {document}"
        found: list[dict[str, Any]] = document["data"]["result"]
        return found

    async def firing(self) -> set[tuple[str, str]]:
        rows = await self.query('ALERTS{alertstate="firing"}')
        return {(row["metric"]["alertname"], row["metric"].get("instance", "")) for row in rows}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
async def monitoring(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Monitoring]:
    folder, binaries = tmp_path_factory.mktemp("monitoring"), await programs()
    (folder / "alertmanager.yaml").write_text("route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n")
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
        alertmanager = await opened.enter_async_context(
            running(
                http, binaries / "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yaml'}",
                "--cluster.listen-address=", f"--storage.path={folder / 'alertmanager'}", folder=folder,
            )
        )  # fmt: skip
        _configure(folder, await stack.status(), alertmanager.removeprefix("http://"), f"127.0.0.1:{free_port()}")
        prometheus = await opened.enter_async_context(
            running(
                http, binaries / "prometheus", f"--config.file={folder / 'prometheus.yaml'}",
                # What it said before it knew of an Alertmanager would otherwise be said again after a minute.
                "--rules.alert.resend-delay=1s", f"--storage.tsdb.path={folder / 'prometheus'}", folder=folder,
            )
        )  # fmt: skip
        yield Monitoring(prometheus, alertmanager, http)


def _configure(folder: Path, status: dict[str, Any], alertmanager: str, nobody: str) -> None:
    """Our own rules, without the patience that they have; and one target that nobody answers at."""
    (folder / "rules").mkdir()
    for file in RULES.glob("*.yaml"):
        groups = yaml.safe_load(file.read_text())
        for group in groups["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                rule.pop("for", None)
        (folder / "rules" / file.name).write_text(yaml.safe_dump(groups))
    targets = [
        {"targets": [status[service]["metrics_url"].split("/")[2]], "labels": {"service": service}}
        for service in SERVICES
    ]
    targets.append({"targets": [nobody], "labels": {"service": "diagram"}})
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules/*.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": "autograph", "honor_labels": True, "static_configs": targets},
            {
                "job_name": "rabbitmq",
                "static_configs": [{"targets": [status["rabbitmq"]["metrics_url"].split("/")[2]]}],
            },
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))


@pytest.fixture(scope="module")
async def busy(monitoring: Monitoring, gateway: str) -> Monitoring:
    """Somebody has worked for long enough that rates can be told."""

    async def told() -> bool:
        async with somebody(gateway) as person:
            path = f"/api/diagrams/{(await person.create()).body['id']}"
            await person.ask("GET", path)
            await person.ask("PATCH", path, {"title": "Another"}, If_Match="*")
            await person.ask("DELETE", path)
        return all([await monitoring.query(f"rate({name}[1m]) > 0") for name in COUNTED])

    await eventually(told, within_seconds=30)
    return monitoring


COUNTED = ("diagram_service_diagrams_deleted_total", "auth_service_login_attempts_total")


async def test_every_process_is_scraped_and_so_is_the_broker(busy: Monitoring) -> None:
    rows = await busy.query("up == 1")
    assert sorted(row["metric"].get("service", row["metric"]["job"]) for row in rows) == sorted([*SERVICES, "rabbitmq"])


@pytest.mark.parametrize("name", RELIED_ON)
async def test_the_names_that_dashboards_rely_on_are_there(busy: Monitoring, name: str) -> None:
    assert await busy.query(name)


async def test_a_breaker_is_told_of_under_the_worker_or_bulkhead_that_it_guards(busy: Monitoring) -> None:
    rows = await busy.query("api_gateway_circuit_breaker_state")
    assert {row["metric"]["service"] for row in rows} == {"auth", "auth.passwords", "diagram"}


def expressions() -> list[str]:
    boards = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(DASHBOARDS.glob("*.json"))]
    return [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]


async def test_every_panel_of_a_busy_system_shows_something(busy: Monitoring) -> None:
    async def all_show() -> bool:
        empty = [
            expression
            for expression in expressions()
            if not any(name in expression for name in NOT_ON_A_GOOD_DAY)
            # Long enough for what was done before tests that came between: with a minute it failed once (2026-12-01).
            and not await busy.query(expression.replace("$__rate_interval", "5m"))
        ]
        assert not empty
        return True

    await eventually(all_show, within_seconds=30)


async def test_only_what_is_wrong_fires_and_alertmanager_hears_of_it(busy: Monitoring) -> None:
    rows = await busy.query('up{job="autograph"} == 0')
    [nobody] = [row["metric"]["instance"] for row in rows]

    async def heard() -> bool:
        async with busy.http.get(f"{busy.alertmanager}/api/v2/alerts") as answer:
            alerts = {
                (alert["labels"]["alertname"], alert["labels"].get("instance", "")) for alert in await answer.json()
            }
        return alerts >= {("AutographProcessDown", nobody), ("AutographWatchdog", "")}

    assert await eventually(heard, within_seconds=30)
    others = {("AutographMessagesParked", "")} if await busy.query("autograph_parked_total > 0") else set()
    assert await busy.firing() == {("AutographProcessDown", nobody), ("AutographWatchdog", "")} | others
