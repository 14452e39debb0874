"""Our own processes as the local launcher runs them."""

import os
import sys
from pathlib import Path

import aiohttp

from autograph.credentials import service_environment
from compose.local.home import Home
from compose.local.server import Spec
from compose.local.stack import Servers

SIDE_PORTS = {"gateway": 9080, "auth": 8085, "diagram": 8082}
MODULES = {"gateway": "gateway", "auth": "workers.auth", "diagram": "workers.diagram"}
# The gateway's secret signs what it hands out, the auth worker's what it issues; nobody else knows either.
SECRETS = {"gateway": "AUTOGRAPH_GATEWAY_SECRET", "auth": "AUTOGRAPH_AUTH_SECRET"}
ADMINISTRATION = ("AUTOGRAPH_INSTALLATION_SECRET", "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL")


def service_specs(home: Home, servers: Servers, secret: str, http_port: int, counts: dict[str, int]) -> list[Spec]:
    """One process a service, or as many as *counts* says; ports of their own, the usual ones where they are free."""
    return [
        _spec(home, servers, secret, http_port, service, number)
        for service in MODULES
        for number in range(1, counts.get(service, 1) + 1)
    ]


def _spec(home: Home, servers: Servers, secret: str, http_port: int, service: str, number: int) -> Spec:  # noqa: PLR0917
    name = service if number == 1 else f"{service}-{number}"
    first = number == 1
    side = home.port(f"{name}-side", wanted=SIDE_PORTS[service] if first else None)
    environment = {variable: value for variable, value in os.environ.items() if variable not in ADMINISTRATION}
    environment |= service_environment(servers, secret, service)
    environment |= {
        "AUTOGRAPH_PROFILE": "local",
        "AUTOGRAPH_SIDE_HOST": "127.0.0.1",
        "AUTOGRAPH_SIDE_PORT": str(side),
        "AUTOGRAPH_LOG_FORMAT": os.environ.get("AUTOGRAPH_LOG_FORMAT", "json"),
        "PYTHONUNBUFFERED": "1",
    }
    if service in SECRETS:
        environment.setdefault(SECRETS[service], home.secret(service))
    address = f"http://127.0.0.1:{side}"
    if service == "gateway":
        http = home.port(f"{name}-http", wanted=http_port if first else None)
        environment |= {"AUTOGRAPH_HTTP_HOST": "127.0.0.1", "AUTOGRAPH_HTTP_PORT": str(http)}
        address = f"http://127.0.0.1:{http}"

    async def ready() -> None:
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as client, client.get(f"{address}/health/ready") as answer:
            answer.raise_for_status()

    return Spec(
        name=name,
        command=(sys.executable, "-m", MODULES[service]),
        environment=environment,
        folder=Path.cwd(),
        ready=ready,
        address=address,
        metrics_url=f"http://127.0.0.1:{side}/metrics",
        stop_seconds=30.0,  # the drain's 20 s, and time to close
        kind="service",
    )
