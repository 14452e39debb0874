"""An installation in which releases take turns, each with processes of its own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from autograph.installation import Installation
from autograph.services import service_specs
from compose.local.home import Home
from compose.local.stack import Servers
from compose.local.supervisor import Supervisor
from contracts.services import SERVICES
from tests.databases import unused_database
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.servers import fresh_vhost, own_redis_database
from tests.system.stack import FASTER
from tests.upgrade.releases import Release

NEVER_AGAIN = (3600.0,)  # what crashes stays down: a restart would hide it
FEW_CONNECTIONS = {"AUTOGRAPH_POSTGRES_POOL_MIN": "2", "AUTOGRAPH_POSTGRES_POOL_MAX": "10"}
ROLL_BACK = """
import asyncio, os, sys
from autograph.database import rollback_database
print(asyncio.run(rollback_database(os.environ["AUTOGRAPH_POSTGRES_URL"], sys.argv[1])))
"""


class Site:
    def __init__(self, folder: Path, installation: Installation) -> None:
        self._folder = folder
        self._installation = installation
        self._running: dict[tuple[str, str], tuple[Home, Supervisor]] = {}

    async def migrate(self, release: Release) -> str:
        return await release.python("-m", "autograph", "migrate", environment=self._operator())

    async def roll_back(self, release: Release, revision: str) -> str:
        """By *release*, which knows the way back from its own schema."""
        return await release.python("-c", ROLL_BACK, revision, environment=self._operator())

    async def start(self, release: Release, *services: str) -> None:
        """One process of each, ready."""
        for service in services:
            home = Home(self._folder / f"{release.name} {service}").open()
            for port in (f"{service}-side", f"{service}-http"):
                home.port(port)  # any, and not the usual one
            supervisor = Supervisor(home, lambda _name, _state: None, backoff_seconds=NEVER_AGAIN)
            self._running[release.name, service] = home, supervisor
            specs = {spec.name: spec for spec in service_specs(home, self._installation, 0, {})}
            code = {"PYTHONPATH": str(release.folder)}  # else all of them would be this release's
            environment = {**specs[service].environment, **FASTER, **FEW_CONNECTIONS, **code}
            await supervisor.start([replace(specs[service], folder=release.folder, environment=environment)])

    async def stop(self, release: Release, *services: str) -> None:
        """Asserts that each has run until now."""
        for service in services:
            home, supervisor = self._running.pop((release.name, service))
            alive = all(process.identity.alive() for process in home.state().processes)
            await supervisor.stop()
            assert alive, f"{release.name}: {service} ended by itself:\n{home.log(service).read_text('utf-8')}"

    async def stop_all(self) -> None:
        for _, supervisor in self._running.values():
            await supervisor.stop()
        self._running.clear()

    def gateway(self, release: Release) -> str:
        home, _ = self._running[release.name, "gateway"]
        [process] = home.state().processes
        return process.address

    def _operator(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")}
        secret = {"AUTOGRAPH_INSTALLATION_SECRET": self._installation.secret}
        return mine | self._installation.servers.environment() | secret


@asynccontextmanager
async def open_site(folder: Path, servers: Servers, database_url: str) -> AsyncIterator[Site]:
    """On the session's servers, with a database, a virtual host and a Redis database that nobody else has."""
    async with (
        unused_database(database_url) as postgres_url,
        fresh_vhost(servers) as vhost,
        own_redis_database(servers) as redis_url,
    ):
        own = replace(servers, postgres_url=postgres_url, rabbitmq_url=vhost.url, redis_url=redis_url)
        secrets = {service.name: f"{service.name} secret " * 4 for service in SERVICES if service.own_secret}
        site = Site(folder, Installation(own, INSTALLATION_SECRET, secrets))
        try:
            yield site
        finally:
            await site.stop_all()
