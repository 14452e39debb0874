"""The gateway's and workers' processes for the local launcher."""

import os
import sys
from pathlib import Path

import aiohttp

from autograph.credentials import own_secrets, service_environment
from autograph.installation import Installation
from autograph.settings import CHECKOUT
from autograph.settings_page import programs
from chassis.settings import PREFIX, PostgresSettings, SettingsInvalid, read
from compose.local.home import Home
from compose.local.provision import EXTERNAL_SERVER_VARIABLES
from compose.local.server import Spec
from contracts.services import GATEWAY, SERVICES, Engine, Service

# Each service gets only its own of these, and none an administrator's.
CREDENTIALS = {
    *(name for names in EXTERNAL_SERVER_VARIABLES.values() for name in names),
    "AUTOGRAPH_POSTGRES_POOLER_URL",
    "AUTOGRAPH_REDIS_SERVICE_USERS",
    "AUTOGRAPH_S3_WORKER_ACCESS_KEY",
    "AUTOGRAPH_S3_WORKER_SECRET_KEY",
    "AUTOGRAPH_INSTALLATION_SECRET",
    *(service.secret_variable for service in SERVICES if service.own_secret),
    *(f"{PREFIX}{name.upper()}" for service in SERVICES for name in service.optional_secrets),
}
# Stand-ins for the settings that `_spec` passes to each service.
_SUPPLIED = {
    "profile": "local",
    "postgres_url": "postgresql://127.0.0.1/",
    "redis_url": "redis://127.0.0.1/",
    "rabbitmq_url": "amqp://127.0.0.1/",
    "s3_url": "http://127.0.0.1/",
    "s3_access_key": "placeholder",
    "s3_secret_key": "placeholder",
    **{f"{service.name}_secret": "placeholder" * 4 for service in SERVICES},
    "side_host": "127.0.0.1",
    "side_port": 0,
    "http_host": "127.0.0.1",
    "http_port": 0,
}


def check_settings() -> dict[str, int]:
    """The size of each worker's pool of connections to PostgreSQL.

    Raises ``SettingsInvalid`` with the errors of all programs that `autograph up` runs, including itself.
    """
    problems: dict[str, None] = {}  # each once, in order
    pools = {}
    services = {service.name for service in SERVICES}
    for program, settings in programs().items():
        supplied = {
            name: value for name, value in _SUPPLIED.items() if name in settings.model_fields and program in services
        }
        try:
            found = read(settings, overrides=supplied)
        except SettingsInvalid as invalid:
            problems |= dict.fromkeys(invalid.problems)
        else:
            if isinstance(found, PostgresSettings):
                pools[program] = found.postgres_pool_max
    if problems:
        raise SettingsInvalid(list(problems))
    return pools


def service_specs(home: Home, found: Installation, http_port: int, counts: dict[str, int]) -> list[Spec]:
    """One process per service, or as *counts* says, each with its own ports: the defaults if they are free."""
    return [
        _spec(home, found, http_port, service, number)
        for service in SERVICES
        for number in range(1, counts.get(service.name, 1) + 1)
    ]


def _spec(home: Home, found: Installation, http_port: int, service: Service, number: int) -> Spec:
    name = service.name if number == 1 else f"{service.name}-{number}"
    first = number == 1
    side = home.port(f"{name}-side", wanted=service.side_port if first else None)
    environment = {variable: value for variable, value in os.environ.items() if variable not in CREDENTIALS}
    environment |= service_environment(found.servers, found.secret, service.name) | own_secrets(found, service.name)
    environment |= {
        "AUTOGRAPH_PROFILE": "local",
        "AUTOGRAPH_SIDE_HOST": "127.0.0.1",
        "AUTOGRAPH_SIDE_PORT": str(side),
        "AUTOGRAPH_LOG_FORMAT": os.environ.get("AUTOGRAPH_LOG_FORMAT", "json"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH")))),
    }
    if Engine.S3 in service.engines:
        environment["AUTOGRAPH_S3_REGION"] = found.s3_region
    address = f"http://127.0.0.1:{side}"
    if service.name == GATEWAY:
        http = home.port(f"{name}-http", wanted=http_port if first else None)
        environment |= {"AUTOGRAPH_HTTP_HOST": "127.0.0.1", "AUTOGRAPH_HTTP_PORT": str(http)}
        address = f"http://127.0.0.1:{http}"

    async def ready() -> None:
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as client, client.get(f"{address}/health/ready") as answer:
            answer.raise_for_status()

    return Spec(
        name=name,
        command=(sys.executable, "-P", "-m", service.module),  # -P: do not import from the working directory
        environment=environment,
        folder=Path.cwd(),
        ready=ready,
        address=address,
        metrics_url=f"http://127.0.0.1:{side}/metrics",
        ready_seconds=180.0,  # it may wait for the broker to boot
        stop_seconds=30.0,  # the drain takes up to 20 s
        kind="service",
    )
