"""What an operator and other programs look at: documents, health, metrics, addresses, logs, the parking lot."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from openapi_spec_validator import validate

from compose.local.process import Identity
from tests.eventually import eventually
from tests.system.client import Client, client
from tests.system.stack import Stack

METRICS = {
    "gateway": (
        "api_gateway_requests_total",
        "api_gateway_request_duration_seconds",
        "api_gateway_active_connections",
        "api_gateway_circuit_breaker_state",
        "api_gateway_circuit_breaker_failures_total",
        "api_gateway_redis_connections",
        "api_gateway_rate_limit_exceeded_total",
    ),
    "auth": (
        "auth_service_requests_total",
        "auth_service_request_duration_seconds",
        "auth_service_active_connections",
        "auth_service_login_attempts_total",
        "auth_service_registration_attempts_total",
        "auth_service_tokens_issued_total",
        "auth_service_database_queries_total",
        "auth_service_database_query_duration_seconds",
    ),
    "diagram": (
        "diagram_service_requests_total",
        "diagram_service_request_duration_seconds",
        "diagram_service_active_connections",
        "diagram_service_diagrams_created_total",
        "diagram_service_diagrams_updated_total",
        "diagram_service_diagrams_deleted_total",
        "diagram_service_storage_operations_total",
        "diagram_service_storage_operation_duration_seconds",
    ),
}
OF_THE_BUS = ("autograph_deliveries_total", "autograph_handler_seconds", "autograph_queue_wait_seconds",
              "autograph_retries_total", "autograph_parked_total", "autograph_outbox_oldest_seconds",
              "autograph_outbox_depth", "autograph_pool_connections")  # fmt: skip
PROCESSES = {"supervisor", "epmd", "rabbitmq", "postgres", "redis", "s3", "gateway", "auth", "diagram"}


async def test_the_api_is_described_in_documents_of_our_own(gateway: str) -> None:
    async with client(gateway) as anyone:
        described = await anyone.ask("GET", "/api/openapi.json")
        assert described.status == 200
        validate(described.body)
        page = await anyone.ask("GET", "/api/docs")
        assert page.status == 200
        assert "/api/diagrams/{id}" in page.body
        assert 'src="http' not in page.body
        keys = (await anyone.ask("GET", "/.well-known/jwks.json")).body["keys"]
        assert {(key["kty"], key["crv"]) for key in keys} == {("OKP", "Ed25519")}


async def test_every_process_tells_its_health(stack: Stack, gateway: str) -> None:
    rows = await stack.status()
    async with client(gateway) as anyone:  # where everybody can ask, in a word
        assert (await anyone.ask("GET", "/health/ready")).body == {"status": "ok"}
        assert (await anyone.ask("GET", "/metrics")).status == 404
    for service in ("gateway", "auth", "diagram"):
        async with client(rows[service]["metrics_url"].removesuffix("/metrics")) as anyone:
            assert (await anyone.ask("GET", "/health/live")).status == 200
            ready = await anyone.ask("GET", "/health/ready")
            assert ready.status == 200
            assert ready.body["checks"]
            assert {check["status"] for check in ready.body["checks"].values()} == {ready.body["status"]}


@pytest.mark.parametrize("service", METRICS)
async def test_dashboards_find_the_names_that_they_rely_on(stack: Stack, person: Client, service: str) -> None:
    await person.create()
    metrics_url = (await stack.status())[service]["metrics_url"]
    async with aiohttp.ClientSession() as http, http.get(metrics_url) as response:
        text = await response.text()
    expected = METRICS[service] if service == "gateway" else (*METRICS[service], *OF_THE_BUS)
    described = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert {
        name for name in expected if name not in described and name.removesuffix("_total") not in described
    } == set()


async def test_a_request_is_counted_by_its_route_and_not_by_its_path(stack: Stack, person: Client) -> None:
    place = (await person.create()).headers["Location"]
    await person.ask("GET", place)
    async with aiohttp.ClientSession() as http, http.get((await stack.status())["gateway"]["metrics_url"]) as response:
        text = await response.text()
    assert 'api_gateway_requests_total{method="GET",path="/api/diagrams/{id}",status="200"}' in text
    assert place not in text


async def test_a_correlation_id_is_on_the_lines_of_gateway_and_worker(stack: Stack, person: Client) -> None:
    mine = f"system-test-{uuid4().hex}"
    created = await person.create(X_Correlation_ID=mine)
    assert created.headers["X-Correlation-ID"] == mine

    async def written() -> bool:
        return all(
            any(line.get("correlation_id") == mine and line["event"] == event for line in stack.log(service))
            for service, event in (("gateway", "request_answered"), ("diagram", "message_settled"))
        )

    await eventually(written)


async def test_no_log_holds_a_password_or_a_token(stack: Stack, person: Client) -> None:
    await person.ask("POST", "/api/auth/login", {"email": person.email, "password": "not the right password"})
    refused = await person.ask("GET", "/api/auth/me", Authorization="Bearer forged.token.here")
    assert refused.status == 401
    for log in (stack.home / "logs").glob("*.log"):
        text = log.read_text(encoding="utf-8", errors="replace")
        for secret in (person.tokens["access_token"], person.tokens["refresh_token"], "not the right password"):
            assert secret not in text, log


async def test_a_message_that_nobody_can_decode_is_parked_and_stops_nothing(stack: Stack, person: Client) -> None:
    servers = stack.servers()
    address, _, host = servers.rabbitmq_management_url.removeprefix("http://").rpartition("@")
    user, _, password = address.partition(":")
    headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
    nonsense = f"\x00 no JSON {uuid4().hex}"
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as http:
        published = {
            "properties": {}, "routing_key": "diagram.create_diagram", "payload": nonsense,
            "payload_encoding": "string",
        }  # fmt: skip
        api = f"http://{host}/api"
        async with http.post(f"{api}/exchanges/autograph/autograph.commands/publish", json=published) as answer:
            assert (await answer.json())["routed"] is True

        async def parked() -> bool:
            asked = {"count": 100, "ackmode": "ack_requeue_true", "encoding": "auto"}
            async with http.post(f"{api}/queues/autograph/diagram.parked/get", json=asked) as answer:
                found = [message for message in await answer.json() if message["payload"] == nonsense]
            return bool(found) and bool(found[0]["properties"]["headers"])

        await eventually(parked)
    assert (await person.create()).status == 201


async def test_status_names_every_process_with_its_pid_state_and_address(stack: Stack) -> None:
    rows = await stack.told_status()
    assert set(rows) == PROCESSES
    for row in rows.values():
        assert row["state"] == "running"
        assert Identity.of(row["pid"]) is not None
        assert row["url"] or (row["host"] and row["port"]) or row["name"] == "supervisor"
    assert {name for name, row in rows.items() if row["metrics_url"]} == {"gateway", "auth", "diagram", "rabbitmq"}


async def test_whatever_listens_does_so_on_loopback_only(stack: Stack) -> None:
    pids = {row["pid"] for row in (await stack.status()).values()}
    listening = await asyncio.to_thread(_listeners, pids)
    assert len(listening) >= 12  # no process' sockets were overlooked
    assert {address for _, address in listening} <= {"0100007F", "00000000000000000000000001000000"}


def _listeners(pids: set[int]) -> list[tuple[int, str]]:
    """Port and address, as /proc/net/tcp has it, of the sockets of these processes and of what they started."""
    inodes: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            session = int((folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[3])
            if session in pids or int(folder.name) in pids:
                inodes |= {str(link.readlink()) for link in (folder / "fd").iterdir()}
        except OSError:
            continue  # it ended meanwhile
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                address, _, port = fields[1].partition(":")
                found.append((int(port, 16), address))
    return found


async def test_secrets_are_for_the_owner_only(stack: Stack) -> None:
    secrets = stack.home / "secrets.json"
    assert secrets.stat().st_mode & 0o077 == 0
    assert stack.home.stat().st_mode & 0o066 == 0
    values = json.loads(secrets.read_text(encoding="utf-8")).values()
    for row in (await stack.status()).values():
        assert not any(value in _command_line(row["pid"]) for value in values), row["name"]
        assert not any(value in json.dumps(row) for value in values)


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
