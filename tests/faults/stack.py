"""A whole AutoGraph as its launcher runs it, supervised from here, so that a test may do anything to any part."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis
from rich.console import Console

from autograph.broker import Broker, open_broker
from autograph.credentials import service_environment
from autograph.installation import Installation
from autograph.migrate import apply
from autograph.services import service_specs
from chassis.failpoints import VARIABLE
from compose.local.home import Home, RunningProcess
from compose.local.server import Spec
from compose.local.stack import addresses, server_specs
from compose.local.supervisor import Supervisor, stop_leftovers
from contracts.services import SERVICES
from tests.eventually import eventually
from tests.faults.failpoints import Failpoints
from tests.servers import PROGRAMS

# What dies is started again at once: a scenario kills the same worker hundreds of times.
BACKOFF_SECONDS = (0.05,)
# Two of each worker, so that there is somebody to take over.
COUNTS = {"diagram": 2, "auth": 2}
# bcrypt at its usual cost, and the limits of a public server, would make tests of other things slow.
SETTINGS = {
    "AUTOGRAPH_BCRYPT_COST": "4",
    "AUTOGRAPH_RATE_LIMIT_PER_USER": "0",
    "AUTOGRAPH_RATE_LIMIT_PER_ADDRESS": "0",
    # No session ends for any other reason than that somebody asked for it.
    "AUTOGRAPH_SESSIONS_PER_USER": "100",
    "AUTOGRAPH_PASSWORD_REQUESTS_PER_ADDRESS": "0",
    "AUTOGRAPH_REGISTRATIONS_IN_ALL": "0",
    "AUTOGRAPH_MAX_PASSWORD_REQUESTS": "1000",
    # Eight processes keep as few idle connections as they can.
    "AUTOGRAPH_POSTGRES_POOL_MIN": "2",
    "AUTOGRAPH_POSTGRES_POOL_MAX": "10",
}


POSTGRES = "AUTOGRAPH_POSTGRES_URL"


class FaultStack:
    def __init__(self, home: Home, supervisor: Supervisor, installation: Installation) -> None:
        self.home = home
        self.installation = installation
        self.failpoints = Failpoints(home.subfolder("failpoints"))
        self.standby: str | None = None  # host and port of a second PostgreSQL, which services may turn to
        self._supervisor = supervisor
        self._others = 0

    @property
    def servers_url(self) -> Mapping[str, str]:
        """The administrator's addresses, by server."""
        servers = self.installation.servers
        return {"postgres": servers.postgres_url, "redis": servers.redis_url, "rabbitmq": servers.rabbitmq_url,
                "s3": servers.s3.url}  # fmt: skip

    def service_url(self, service: str, server: str) -> str:
        """Where *service* finds *server*, under its own user."""
        found = service_environment(self.installation.servers, self.installation.secret, service)
        return found[f"AUTOGRAPH_{server.upper()}_URL"]

    @property
    def gateway(self) -> str:
        return self.row("gateway").address

    def row(self, name: str) -> RunningProcess:
        return next(running for running in self.home.state().processes if running.name == name)

    def rows(self, prefix: str) -> list[RunningProcess]:
        """All processes of a service: ``diagram``, ``diagram-2``."""
        return [running for running in self.home.state().processes if running.name.split("-")[0] == prefix]

    def send(self, name: str, number: signal.Signals) -> int:
        """Its pid. To the process alone and not to what it started: a crash takes nobody along."""
        pid = self.row(name).pid
        os.kill(pid, number)
        return pid

    @contextmanager
    def frozen(self, *names: str) -> Any:
        """SIGSTOP, and SIGCONT at the end."""
        pids = [self.send(name, signal.SIGSTOP) for name in names]
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    async def running(self, name: str, *, other_than: int = 0, within_seconds: float = 90.0) -> int:
        """Its pid, once it is ready (again)."""

        async def pid() -> int:
            row = self.row(name)
            return row.pid if row.state == "running" and row.pid != other_than and row.identity.alive() else 0

        return await eventually(pid, within_seconds=within_seconds)

    async def all_running(self) -> None:
        for row in self.home.state().processes:
            await self.running(row.name)

    async def postgres(self) -> asyncpg.Connection:
        """The administrator's, in the database of the services."""
        return await asyncpg.connect(self.installation.servers.postgres_url, timeout=5)

    def redis(self) -> Redis:
        return Redis.from_url(self.installation.servers.redis_url)

    @asynccontextmanager
    async def broker(self) -> AsyncIterator[Broker]:
        servers = self.installation.servers
        async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
            yield broker

    async def rabbitmqctl(self, *words: str) -> str:
        """With the environment of the broker that runs."""
        environment = _environment_of(self.row("rabbitmq").pid)
        done = await asyncio.to_thread(
            subprocess.run,
            [f"{environment['RABBITMQ_HOME']}/sbin/rabbitmqctl", *words],
            env=environment, cwd=self.home.subfolder("rabbitmq"),
            check=True, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        return done.stdout

    @asynccontextmanager
    async def another(
        self, service: str, *, prefix: Sequence[str] = (), **environment: str
    ) -> AsyncIterator[RunningProcess]:
        """One more process of *service*, with an environment of its own; gone at the end."""
        self._others += 1
        home = Home(self.home.folder / f"another-{self._others}").open()
        supervisor = Supervisor(home, _unheard, backoff_seconds=BACKOFF_SECONDS)
        [spec] = [spec for spec in self._specs(home, {}) if spec.name == service]
        changed = replace(spec, command=(*prefix, *spec.command), environment={**spec.environment, **environment})
        try:
            await supervisor.start([changed])
            yield next(running for running in home.state().processes if running.name == service)
        finally:
            for running in home.state().processes:
                running.identity.send(signal.SIGCONT)
            await supervisor.stop()

    def _specs(self, home: Home, counts: dict[str, int]) -> list[Spec]:
        specs = service_specs(home, self.installation, 0, counts)
        given = SETTINGS | {VARIABLE: str(self.failpoints.folder)}
        return [replace(spec, environment=self._with_standby({**spec.environment, **given})) for spec in specs]

    def _with_standby(self, environment: dict[str, str]) -> dict[str, str]:
        if self.standby is None or POSTGRES not in environment:
            return environment
        # libpq's form, which asyncpg takes as well: whichever of the two takes writes.
        url = urlsplit(environment[POSTGRES])
        both = url._replace(netloc=f"{url.netloc},{self.standby}", query="target_session_attrs=read-write")
        return environment | {POSTGRES: both.geturl()}

    async def start_server(self, spec: Spec) -> None:
        await self._supervisor.start([spec])

    async def start_services(self) -> None:
        await self._supervisor.start(self._specs(self.home, COUNTS))

    def log(self, name: str) -> str:
        return self.home.log(name).read_text(encoding="utf-8", errors="replace")


@asynccontextmanager
async def fault_stack(
    folder: Path, *, before_services: Callable[[FaultStack], Awaitable[None]] | None = None
) -> AsyncIterator[FaultStack]:
    home = Home(folder, programs=PROGRAMS).open()
    with home.locked():
        stop_leftovers(home)
        supervisor = Supervisor(home, _unheard, backoff_seconds=BACKOFF_SECONDS)
        try:
            starting = [asyncio.create_task(supervisor.start(specs)) async for specs in server_specs(home, {})]
            await asyncio.gather(*starting)
            installation = Installation(
                servers=addresses(home, {}),
                secret=home.secret("installation"),
                own_secrets={service.name: home.secret(service.name) for service in SERVICES if service.own_secret},
            )
            await apply(installation, Console(quiet=True))
            stack = FaultStack(home, supervisor, installation)
            if before_services is not None:
                await before_services(stack)
            await stack.start_services()
            yield stack
        finally:
            for running in home.state().processes:
                running.identity.send(signal.SIGCONT)
            await supervisor.stop()


def _environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def _unheard(name: str, state: str) -> None:
    """Progress is of no interest here."""
