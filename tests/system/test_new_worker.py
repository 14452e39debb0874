"""A worker is an entry, a contract and a folder: whatever else names it is computed or generated, and it runs."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import yaml
from uuid_utils.compat import uuid7

from autograph.credentials import as_user, service_password
from chassis.bus.amqp import AmqpPublisher
from chassis.bus.headers import service_user
from chassis.bus.requester import Requester
from compose.local.home import Home
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Message, Request
from contracts.outcome import Outcome, Status
from contracts.services import max_connections
from tests.eventually import eventually
from tests.integration.chassis.bus.broker_scene import running
from tests.system.client import somebody
from tests.system.new_worker import Checkout
from tests.system.stack import Stack
from tests.tools import run, tool

SECONDS = 20.0
pytestmark = pytest.mark.slow("generates all files in a copy of the checkout, and starts a stack in it")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    made.add_worker()
    done = made.autograph("generate")
    assert done.returncode == 0, done.stderr
    return made


def test_what_is_generated_is_all_there_is_to_write(checkout: Checkout) -> None:
    again = checkout.autograph("generate", "--check")
    assert again.returncode == 0, again.stderr
    kept = checkout.run(str(Path(sys.executable).with_name("lint-imports")), "--no-logo")
    assert kept.returncode == 0, kept.stdout
    for check in (("format", "--check"), ("check",)):
        done = checkout.run(sys.executable, "-m", "ruff", *check, "compose/probe.py", "contracts", "workers")
        assert done.returncode == 0, done.stdout


def test_no_worker_may_import_the_new_one(checkout: Checkout) -> None:
    """By the rule that stands there for all."""
    handlers = checkout.folder / "workers" / "diagram" / "handlers.py"
    before = handlers.read_text("utf-8")
    handlers.write_text(before + "\nfrom workers.stamps import settings  # noqa: E402, F401\n", "utf-8")
    try:
        refused = checkout.run(str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache")
    finally:
        handlers.write_text(before, "utf-8")
    assert refused.returncode == 1
    assert "workers.diagram.handlers -> workers.stamps.settings" in refused.stdout


def test_containers_have_it(checkout: Checkout) -> None:
    whole = yaml.safe_load(checkout.text("compose/compose.yaml"))
    stamps = whole["services"]["stamps"]
    assert stamps["command"] == ["python", "-m", "workers.stamps"]
    assert stamps["networks"] == ["bus", "database", "objects", "monitoring"]
    assert stamps["environment"]["AUTOGRAPH_SIDE_PORT"] == "8099"
    assert stamps["environment"]["AUTOGRAPH_STAMPS_SECRET_FILE"] == "/run/autograph/stamps/AUTOGRAPH_STAMPS_SECRET"
    assert "stamps" in whole["services"]["gateway"]["depends_on"]
    assert "stamps-credentials:/run/autograph/stamps" in whole["services"]["migrate"]["volumes"]
    assert "AUTOGRAPH_STAMPS_SECRET_FILE" in whole["services"]["migrate"]["environment"]
    assert "stamps-credentials" in whole["volumes"]
    assert f"max_connections={max_connections() + 3 * 12}" in whole["services"]["postgres"]["command"]
    assert "../workers/stamps" in checkout.text("compose/compose.dev.yaml")
    assert 'ARG SERVICES="gateway auth diagram stamps"' in checkout.text("compose/Dockerfile")
    assert '"workers.stamps": 8099' in checkout.text("compose/probe.py")
    rendered = run(tool("docker-compose"), "-f", str(checkout.folder / "compose" / "compose.yaml"), "config", "--quiet")
    assert (rendered.returncode, rendered.stderr) == (0, "")


def test_the_chart_has_it(checkout: Checkout) -> None:
    chart = checkout.folder / "helm" / "autograph"
    done = run(tool("helm4"), "template", "shop", ".", "--values", "values-dev.yaml", folder=chart)
    assert done.returncode == 0, done.stderr
    made = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout) if one}
    [container] = made["Deployment", "shop-autograph-stamps"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "workers.stamps"]
    for kind in ("Secret", "ConfigMap", "PodDisruptionBudget"):
        assert (kind, "shop-autograph-stamps") in made
    queues = yaml.safe_load(checkout.text("helm/autograph/values.yaml"))["workers"]["stamps"]["queues"]
    assert {"stamps.commands.press", "stamps.queries", "stamps.events.press"} <= set(queues)
    for setting, status in (("ink=2", 0), ("ink=much", 1), ("inc=2", 1)):
        told = run(tool("helm4"), "template", ".", "--set", f"workers.stamps.settings.{setting}", folder=chart)
        assert told.returncode == status, (setting, told.stderr)


def test_prometheus_and_grafana_have_it_and_the_pages_tell_of_it(checkout: Checkout) -> None:
    [job, *_] = yaml.safe_load(checkout.text("compose/prometheus/prometheus.yaml"))["scrape_configs"]
    assert {"names": ["stamps"], "type": "A", "port": 8099, "refresh_interval": "15s"} in job["dns_sd_configs"]
    for rules in ("compose/prometheus/rules/alerts.yaml", "helm/autograph/files/rules/alerts.yaml"):
        assert 'absent(up{job="autograph", service="stamps"})' in checkout.text(rules)
    panels = json.loads(checkout.text("compose/grafana/dashboards/workers.json"))["panels"]
    assert {"Stamps: time to settlement, p95", "Stamps: by outcome"} <= {panel["title"] for panel in panels}
    assert "| `AUTOGRAPH_INK` | stamps |" in checkout.text("docs/settings.md")
    assert "stamps.give_stamp" in checkout.text("docs/asyncapi.yaml")


async def test_it_runs_and_carries_out_a_command_a_query_and_an_event(checkout: Checkout, tmp_path: Path) -> None:
    stack = Stack(tmp_path, checkout=checkout.folder)
    stack.up()
    try:
        await stack.ready()
        status = await stack.status()
        assert status["stamps"]["state"] == "running"
        connection = await asyncpg.connect(stack.servers().postgres_url)
        try:
            assert await connection.fetchval("SHOW max_connections") == str(max_connections() + 3 * 12)
        finally:
            await connection.close()
        contract = checkout.contract()
        async with asking(stack) as ask:
            given = await ask(contract.GiveStamp(diagram_id=uuid4()))
            assert (given.status, given.parsed()) == (Status.SUCCEEDED, {"given": 1, "announced": 0})
            async with somebody(status["gateway"]["url"]) as person:
                assert (await person.create()).status == 201

            async def has_heard() -> bool:
                return bool((await ask(contract.CountStamps())).parsed() == {"given": 1, "announced": 1})

            await eventually(has_heard, within_seconds=SECONDS)
        assert (await stack.run("doctor")).returncode == 0
        assert await stack.end() == 0
    finally:
        stack.clean_up()


@asynccontextmanager
async def asking(stack: Stack) -> AsyncIterator[Any]:
    """Over the bus, as the gateway does for a user."""
    home = Home(stack.home)
    user = service_user("gateway")
    password = service_password(home.secret("installation"), "rabbitmq", "gateway")
    url = as_user(stack.servers().rabbitmq_url, user, password)
    publisher = AmqpPublisher(url, user=user, name="test")
    requester = Requester(url, user=user, name="test", publisher=publisher, seal=_as_it_is)
    actor = Actor(kind=ActorKind.USER, id=uuid4(), roles=("user",), scopes=("read", "write"))

    async def ask(request: Request[Any]) -> Outcome:
        now = datetime.now(UTC)
        envelope = Envelope(
            id=uuid7(), source="/test", type=request.wire_name, time=now, correlationid=str(uuid7()), actor=actor,
            deadline=now + timedelta(seconds=SECONDS),
        )  # fmt: skip
        return await requester.request(request, envelope, timeout_seconds=SECONDS)

    async with running(publisher.link.run(), requester.link.run()):
        await publisher.link.wait_up()
        await requester.link.wait_up()
        yield ask


async def _as_it_is(message: Message, envelope: Envelope) -> Message:  # noqa: ARG001 - nothing is sealed here
    return message
