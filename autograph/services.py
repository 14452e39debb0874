"""Our own processes as the local launcher runs them."""

import os
import sys
from pathlib import Path

import aiohttp

from autograph.credentials import service_environment
from autograph.installation import Installation
from autograph.settings import CHECKOUT
from autograph.settings_page import SERVICES
from chassis.settings import SettingsInvalid, read
from compose.local.home import Home
from compose.local.provision import GIVEN_BY
from compose.local.server import Spec

SIDE_PORTS = {"gateway": 9080, "auth": 8085, "diagram": 8082}
MODULES = {"gateway": "gateway", "auth": "workers.auth", "diagram": "workers.diagram"}
# Of these each service is told its own only, and none is told an administrator's.
CREDENTIALS = {
    *(name for names in GIVEN_BY.values() for name in names),
    "AUTOGRAPH_POSTGRES_POOLER_URL",
    "AUTOGRAPH_REDIS_SERVICE_USERS",
    "AUTOGRAPH_S3_WORKER_ACCESS_KEY",
    "AUTOGRAPH_S3_WORKER_SECRET_KEY",
    "AUTOGRAPH_INSTALLATION_SECRET",
    "AUTOGRAPH_AUTH_SECRET",
    "AUTOGRAPH_PASSWORD_PEPPER",
    "AUTOGRAPH_GATEWAY_SECRET",
}
# In place of what `_spec` tells each service, whatever the environment has.
_TOLD = {
    "profile": "local",
    "postgres_url": "postgresql://127.0.0.1/",
    "redis_url": "redis://127.0.0.1/",
    "rabbitmq_url": "amqp://127.0.0.1/",
    "s3_url": "http://127.0.0.1/",
    "s3_access_key": "told",
    "s3_secret_key": "told",
    "auth_secret": "told" * 8,
    "gateway_secret": "told" * 8,
    "side_host": "127.0.0.1",
    "side_port": 0,
    "http_host": "127.0.0.1",
    "http_port": 0,
}


def check_settings() -> None:
    """Raises ``SettingsInvalid`` with the mistakes of all programs that `autograph up` runs, itself among them."""
    problems: dict[str, None] = {}  # each once, in order
    for service, settings in SERVICES.items():
        told = {name: value for name, value in _TOLD.items() if name in settings.model_fields and service in MODULES}
        try:
            read(settings, given=told)
        except SettingsInvalid as invalid:
            problems |= dict.fromkeys(invalid.problems)
    if problems:
        raise SettingsInvalid(list(problems))


def service_specs(home: Home, found: Installation, http_port: int, counts: dict[str, int]) -> list[Spec]:
    """One process a service, or as many as *counts* says; ports of their own, the usual ones where they are free."""
    return [
        _spec(home, found, http_port, service, number)
        for service in MODULES
        for number in range(1, counts.get(service, 1) + 1)
    ]


def _spec(home: Home, found: Installation, http_port: int, service: str, number: int) -> Spec:
    name = service if number == 1 else f"{service}-{number}"
    first = number == 1
    side = home.port(f"{name}-side", wanted=SIDE_PORTS[service] if first else None)
    environment = {variable: value for variable, value in os.environ.items() if variable not in CREDENTIALS}
    environment |= service_environment(found.servers, found.secret, service)
    environment |= {
        "AUTOGRAPH_PROFILE": "local",
        "AUTOGRAPH_SIDE_HOST": "127.0.0.1",
        "AUTOGRAPH_SIDE_PORT": str(side),
        "AUTOGRAPH_LOG_FORMAT": os.environ.get("AUTOGRAPH_LOG_FORMAT", "json"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH")))),
    }
    if service == "auth":
        environment["AUTOGRAPH_AUTH_SECRET"] = found.auth_secret
        if found.password_pepper:
            environment["AUTOGRAPH_PASSWORD_PEPPER"] = found.password_pepper
    if service == "diagram":
        environment["AUTOGRAPH_S3_REGION"] = found.s3_region
    address = f"http://127.0.0.1:{side}"
    if service == "gateway":
        http = home.port(f"{name}-http", wanted=http_port if first else None)
        environment["AUTOGRAPH_GATEWAY_SECRET"] = found.gateway_secret
        environment |= {"AUTOGRAPH_HTTP_HOST": "127.0.0.1", "AUTOGRAPH_HTTP_PORT": str(http)}
        address = f"http://127.0.0.1:{http}"

    async def ready() -> None:
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as client, client.get(f"{address}/health/ready") as answer:
            answer.raise_for_status()

    return Spec(
        name=name,
        command=(sys.executable, "-P", "-m", MODULES[service]),  # nothing is imported from the folder we are in
        environment=environment,
        folder=Path.cwd(),
        ready=ready,
        address=address,
        metrics_url=f"http://127.0.0.1:{side}/metrics",
        ready_seconds=180.0,  # it may have to wait for a broker that still boots
        stop_seconds=30.0,  # the drain's 20 s, and time to close
        kind="service",
    )
