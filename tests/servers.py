"""The real servers that tests run on, started by our own launcher, once in each process that runs tests (ADR 31).

Fixtures (session-scoped, in ``tests/conftest.py``): ``servers`` (administrators' addresses), ``database_url`` (a fresh
database, superuser), ``vhost`` (a fresh RabbitMQ vhost), ``redis_url`` (an empty database), ``s3`` (with our buckets).
``AUTOGRAPH_TEST_SERVERS=DIR`` uses the servers of a running ``python -m compose.local serve --home DIR``.
"""

import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
from redis.asyncio import Redis

from compose.local.home import DEFAULT, Home
from compose.local.run import run_servers
from compose.local.stack import Servers, addresses
from compose.local.supervisor import stop_leftovers

REPOSITORY = Path(__file__).parents[1]
# Programs are the same for every home, and 100 MB: tests share those of the checkout.
PROGRAMS = REPOSITORY / DEFAULT / "programs"
PREFIX = "autograph-test-"
JUST_MADE_SECONDS = 60.0
REDIS_DATABASES = range(8, 16)
CLAIM_SECONDS = 3600


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
    _end_what_killed_runs_left()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        home = Home(Path(folder), programs=PROGRAMS).open()
        async with run_servers(home, {}, lambda _name, _state: None):
            yield addresses(home, {})


def _end_what_killed_runs_left() -> None:
    """A run that was killed outright could not stop its servers."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        home = Home(folder)
        with suppress(OSError):  # another user's, or another run is about this one as well
            if time.time() - folder.stat().st_mtime > JUST_MADE_SECONDS and not home.is_locked():
                stop_leftovers(home)
                shutil.rmtree(folder)


@asynccontextmanager
async def own_redis_database(servers: Servers) -> AsyncIterator[str]:
    """The first that no session has claimed, of those that tests do not name themselves."""
    for number in REDIS_DATABASES:
        url = urlunsplit(urlsplit(servers.redis_url)._replace(path=f"/{number}"))
        async with Redis.from_url(url) as client:
            if await client.set("claimed by a test session", 1, nx=True, ex=CLAIM_SECONDS):
                try:
                    yield url
                finally:
                    await client.flushdb()
                return
    raise AssertionError("all of the test server's Redis databases are claimed by test sessions")


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
