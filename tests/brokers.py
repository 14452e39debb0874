"""A virtual host as `autograph migrate` leaves it, its users' addresses, and what an administrator may do to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aio_pika
from aio_pika.abc import AbstractChannel

from autograph.broker import open_broker
from autograph.credentials import service_password
from autograph.topology import apply_topology
from compose.local.stack import Servers
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.servers import Vhost, fresh_vhost


@asynccontextmanager
async def prepared_vhost(servers: Servers) -> AsyncIterator[Vhost]:
    async with fresh_vhost(servers) as vhost:
        await apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET)
        yield vhost


def url_of(vhost: Vhost, user: str, password: str) -> str:
    parts = urlsplit(vhost.url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))


def service_url(vhost: Vhost, service: str) -> str:
    return url_of(vhost, f"autograph-{service}", service_password(INSTALLATION_SECRET, "rabbitmq", service))


@asynccontextmanager
async def open_channel(url: str) -> AsyncIterator[AbstractChannel]:
    """With confirms; what no queue takes raises."""
    connection = await aio_pika.connect(url)
    async with connection, connection.channel(on_return_raises=True) as channel:
        yield channel


async def close_connections(vhost: Vhost, user: str, *, count: int) -> None:
    """The broker closes the *count* connections that *user* has, as it does when an operator tells it to."""
    async with open_broker(vhost.url, vhost.management_url) as broker:

        async def theirs() -> list[str]:
            found: list[dict[str, Any]] = await broker.get("vhosts", vhost.name, "connections")
            names = [connection["name"] for connection in found if connection.get("user") == user]
            return names if len(names) == count else []

        for name in await eventually(theirs):
            await broker.delete("connections", name)


async def limit_queue(vhost: Vhost, queue: str, length: int) -> None:
    """Another policy on *queue*, before ours, soon: full at *length*."""
    async with open_broker(vhost.url, vhost.management_url) as broker:
        await broker.put(
            "policies", vhost.name, f"test-{queue}",
            body={
                "pattern": f"^{queue}$", "apply-to": "queues", "priority": 10,
                "definition": {"max-length": length, "overflow": "reject-publish"},
            },
        )  # fmt: skip
