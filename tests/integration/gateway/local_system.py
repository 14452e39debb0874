"""The whole system within the test's process: real broker, database, cache and object store, both workers, gateways."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp

from autograph.buckets import ensure_buckets
from autograph.credentials import as_user, service_password
from autograph.database import migrate_database
from autograph.installation import Installation
from autograph.topology import apply_topology
from chassis.lifecycle import Service
from chassis.settings import ServiceSettings
from compose.local.stack import Servers
from gateway.__main__ import open_gateway
from gateway.settings import GatewaySettings
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.servers import Vhost
from workers.auth.__main__ import compose as compose_auth
from workers.auth.settings import AuthSettings
from workers.diagram.__main__ import compose as compose_diagram
from workers.diagram.settings import DiagramSettings

PASSWORD = "correct horse"
GATEWAY_SECRET = "gateway secret of this system, long enough"


def broker_url(vhost: Vhost, service: str) -> str:
    """As *service*'s own user."""
    parts = urlsplit(vhost.url)
    password = service_password(INSTALLATION_SECRET, "rabbitmq", service)
    return urlunsplit(parts._replace(netloc=f"autograph-{service}:{password}@{parts.hostname}:{parts.port}"))


async def apply_to(vhost: Vhost) -> None:
    management = urlsplit(vhost.management_url)
    await apply_topology(vhost.url, urlunsplit(management), INSTALLATION_SECRET)


@dataclass
class Gateway:
    service: Service[GatewaySettings]
    serving: asyncio.Task[None]
    http: aiohttp.ClientSession

    async def stop(self) -> None:
        """As SIGTERM does."""
        self.service.stop()
        await self.serving


@dataclass
class Person:
    """At one gateway or another."""

    email: str
    tokens: dict[str, Any] = field(default_factory=dict)

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"} | more


@dataclass
class LocalSystem:
    servers: Servers
    vhost: Vhost
    redis_url: str
    database_url: str
    auth: Service[AuthSettings]
    diagram: Service[DiagramSettings]

    @property
    def installation(self) -> Installation:
        """As the operator's command finds it."""
        servers = replace(self.servers, rabbitmq_url=self.vhost.url, postgres_url=self.database_url)
        return Installation(servers, INSTALLATION_SECRET)

    @asynccontextmanager
    async def gateway(self, *, redis_url: str | None = None, **changes: Any) -> AsyncIterator[Gateway]:
        """One more of them, ready. *changes* are settings."""
        values: dict[str, Any] = {
            "redis_url": redis_url or self.redis_url,
            "rabbitmq_url": broker_url(self.vhost, "gateway"),
            "side_port": 0,
            "http_port": 0,
            "gateway_secret": GATEWAY_SECRET,
            "rate_limit_per_user": 0,
            "rate_limit_per_address": 0,
            "password_requests_per_address": 0,
            "registrations_in_all": 0,
        }
        async with AsyncExitStack() as stack:
            settings = GatewaySettings(_env_file=None, **values | changes)
            service = Service("gateway", settings)
            await stack.enter_async_context(service)
            urls = await open_gateway(service)
            serving = asyncio.create_task(service.serve())
            http = await stack.enter_async_context(aiohttp.ClientSession(urls[0]))
            await eventually(lambda: _is_ready(http))
            yield Gateway(service, serving, http)
            service.stop()
            await serving

    def delivered(self, message: str) -> float:
        """How many of *message* the diagram worker has been given."""
        return sum(
            sample.value
            for family in self.diagram.registry.collect()
            for sample in family.samples
            if sample.name == "autograph_deliveries_total" and sample.labels["message"] == message
        )


async def signed_up(http: aiohttp.ClientSession, email: str | None = None) -> Person:
    person = Person(email or f"{uuid4().hex}@example.org")
    document = {"email": person.email, "password": PASSWORD}
    async with http.post("/api/auth/register", json=document) as answer:
        assert answer.status == 201, await answer.text()
    async with http.post("/api/auth/login", json=document) as answer:
        assert answer.status == 200, await answer.text()
        person.tokens = await answer.json()
    return person


async def _is_ready(http: aiohttp.ClientSession) -> bool:
    async with http.get("/health/ready") as answer:
        return answer.status == 200


@asynccontextmanager
async def running(
    service: Service[Any], compose: Callable[[Service[Any]], Awaitable[Any]]
) -> AsyncIterator[Service[Any]]:
    async with service:
        await compose(service)
        serving = asyncio.create_task(service.serve())
        yield service
        service.stop()
        await serving


@asynccontextmanager
async def open_system(servers: Servers, vhost: Vhost, database_url: str, redis_url: str) -> AsyncIterator[LocalSystem]:
    await asyncio.gather(
        migrate_database(database_url, INSTALLATION_SECRET),
        apply_to(vhost),
        ensure_buckets(servers.s3.url, servers.s3.access_key, servers.s3.secret_key, "us-east-1"),
    )

    def settings(kind: type[ServiceSettings], service: str, **more: Any) -> Any:
        password = service_password(INSTALLATION_SECRET, "postgres", service)
        return kind(
            _env_file=None,
            redis_url=redis_url,
            rabbitmq_url=broker_url(vhost, service),
            postgres_url=as_user(database_url, f"autograph_{service}", password),
            postgres_pool_min=1,
            side_port=0,
            **more,
        )

    s3 = servers.s3_worker
    auth: Service[Any] = Service(
        "auth", settings(AuthSettings, "auth", auth_secret="auth secret of this system, long enough", bcrypt_cost=4)
    )
    diagram: Service[Any] = Service(
        "diagram",
        settings(DiagramSettings, "diagram", s3_url=s3.url, s3_access_key=s3.access_key, s3_secret_key=s3.secret_key),
    )
    async with running(auth, compose_auth), running(diagram, compose_diagram):
        yield LocalSystem(servers, vhost, redis_url, database_url, auth, diagram)
