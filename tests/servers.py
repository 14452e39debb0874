"""The real servers that tests run on, started once a session by our own launcher in a folder and on ports of its own.

Fixtures (session-scoped, in ``tests/conftest.py``): ``servers`` (administrators' addresses), ``database_url`` (a fresh
database, superuser), ``vhost`` (a fresh RabbitMQ vhost), ``redis_url``, ``s3`` (with our buckets).
``AUTOGRAPH_TEST_SERVERS=DIR`` uses the servers of a running ``python -m compose.local serve --home DIR``.
"""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp

from compose.local.home import DEFAULT, Home
from compose.local.run import run_servers
from compose.local.stack import Servers, addresses

REPOSITORY = Path(__file__).parents[1]
# Programs are the same for every home, and 100 MB: tests share those of the checkout.
PROGRAMS = REPOSITORY / DEFAULT / "programs"


@dataclass(frozen=True, slots=True)
class Vhost:
    name: str
    url: str  # AMQP, the administrator's
    management_url: str
    user: str


@asynccontextmanager
async def running_servers() -> AsyncIterator[Servers]:
    shared = os.environ.get("AUTOGRAPH_TEST_SERVERS")
    if shared:
        yield addresses(Home(Path(shared)).attach(), {})
        return
    with tempfile.TemporaryDirectory(prefix="autograph-test-") as folder:
        home = Home(Path(folder), programs=PROGRAMS).open()
        async with run_servers(home, {}, lambda _name, _state: None):
            yield addresses(home, {})


@asynccontextmanager
async def fresh_vhost(servers: Servers) -> AsyncIterator[Vhost]:
    name = f"test-{uuid4().hex[:12]}"
    parts = urlsplit(servers.rabbitmq_management_url)
    user, password = parts.username or "", parts.password or ""
    authorized = {"Authorization": aiohttp.encode_basic_auth(user, password)}
    api = f"http://{parts.hostname}:{parts.port}/api"
    async with aiohttp.ClientSession(headers=authorized, raise_for_status=True) as http:
        await http.put(f"{api}/vhosts/{name}", json={})
        await http.put(f"{api}/permissions/{name}/{user}", json={"configure": ".*", "write": ".*", "read": ".*"})
        try:
            url = urlunsplit(urlsplit(servers.rabbitmq_url)._replace(path=f"/{name}"))
            yield Vhost(name, url, servers.rabbitmq_management_url, user)
        finally:
            await http.delete(f"{api}/vhosts/{name}")
