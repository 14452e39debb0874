"""``autograph scale``: changes the number of a service's processes in a running local stack."""

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

import asyncpg
import typer
from rich.console import Console

from autograph.installation import Installation, installation_in
from autograph.services import check_settings, service_specs
from autograph.settings import operator_settings
from chassis.settings import SettingsInvalid
from compose.local.home import MAX_PROCESSES, Home, OperatorError
from compose.local.progress import Report
from compose.local.server import Spec
from compose.local.stack import is_external_server
from compose.local.supervisor import Supervisor
from contracts.services import SERVICES, max_connections

SCALE_TIMEOUT_SECONDS: Final = 210.0  # a service may take 180 s to be ready, and 30 s to drain
POLL_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 5.0
NAMES: Final = tuple(service.name for service in SERVICES)
_NAME: Final = re.compile(rf"({'|'.join(NAMES)})(?:-[0-9]+)?")


def scale(
    services: Annotated[list[str], typer.Argument(metavar="SERVICE=NUMBER...", help="As diagram=2 auth=1.")],
) -> None:
    """Run this many processes of a service in the stack that runs; the others stay as they are.

    Surplus processes first finish what they have in flight. The numbers are saved: the next `autograph up` starts as
    many. A further gateway listens on a port of its own, which `autograph status` shows.
    """
    asked = parse_counts(services)
    home = Home(operator_settings().home)
    state = home.state()
    if state.supervisor is None or not state.supervisor.identity.alive():
        raise OperatorError(f"No stack runs in {home.folder}: `autograph up --workers {services[0]}` starts one so")
    if home.notices:
        raise OperatorError(f"{home.notices[-1]}. How they are is not known: `autograph down` and `up` write it anew")
    if not state.scalable:
        raise OperatorError("The stack still starts, or was started by an earlier release: try again, or restart it")
    wanted = count_processes(process.name for process in state.processes) | asked
    asyncio.run(warn_of_too_few_connections(home, wanted))
    home.save_counts(wanted)
    state.supervisor.identity.send_to_process(signal.SIGUSR1)
    _wait(home, wanted)
    Console(highlight=False).print(", ".join(f"{name}: {number}" for name, number in sorted(wanted.items())))


async def warn_of_too_few_connections(home: Home, wanted: dict[str, int]) -> None:
    """Warn on standard error if PostgreSQL has too few connections: no error, as pools are rarely all full."""
    settings = operator_settings()
    url = installation_in(home.attach(), settings).servers.postgres_url
    try:
        needed = max_connections(wanted, check_settings())
        connection = await asyncpg.connect(url, timeout=ANSWER_SECONDS)
    except (SettingsInvalid, asyncpg.PostgresError, OSError):
        return  # the processes report it when they start
    try:
        most = int(await connection.fetchval("SHOW max_connections"))
    finally:
        await connection.close()
    if most < needed:
        way_out = (
            "raise its max_connections or lower AUTOGRAPH_POSTGRES_POOL_MAX"
            if is_external_server("postgres", settings.external_servers())
            else "restart the stack with `autograph down` and `autograph up`, and it takes as many"
        )
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"PostgreSQL takes {most} connections, and {needed} are needed when all pools are full: {way_out}",
            style="yellow",
        )


def parse_counts(services: Sequence[str]) -> dict[str, int]:
    counts = {}
    for service in services:
        name, _, number = service.partition("=")
        if name not in NAMES or not number.isdecimal() or not 1 <= int(number) <= MAX_PROCESSES:
            raise typer.BadParameter(
                f"{service} is not like diagram=2: there are {', '.join(NAMES)}, each from 1 to {MAX_PROCESSES}"
            )
        counts[name] = int(number)
    return counts


def count_processes(names: Iterable[str]) -> dict[str, int]:
    """The number of processes of each service."""
    return dict(Counter(match[1] for name in names if (match := _NAME.fullmatch(name))))


def _wait(home: Home, wanted: dict[str, int]) -> None:
    deadline = time.monotonic() + SCALE_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        state = home.state()
        if state.supervisor is None:
            raise OperatorError("The stack was stopped meanwhile")
        if home.counts() != wanted:
            raise OperatorError(f"Not all could be started: see the output of `autograph up`, and {home.folder}/logs")
        services = [process for process in state.processes if process.kind == "service"]
        as_many = count_processes(service.name for service in services) == wanted
        if as_many and all(service.state == "running" for service in services):
            return
        time.sleep(POLL_SECONDS)
    raise OperatorError(f"It is not done after {SCALE_TIMEOUT_SECONDS:.0f} s: `autograph status` shows how far it is")


class Scale:
    """Keeps the number of service processes of one `autograph up` at the counts in the home."""

    def __init__(
        self, home: Home, installation: Installation, http_port: int, supervisor: Supervisor, report: Report
    ) -> None:
        self._home = home
        self._installation = installation
        self._http_port = http_port
        self._supervisor = supervisor
        self._report = report
        self._changed = asyncio.Event()

    def specs(self) -> list[Spec]:
        return service_specs(self._home, self._installation, self._http_port, self._home.counts())

    @asynccontextmanager
    async def follow_changes(self, loop: asyncio.AbstractEventLoop) -> AsyncIterator[None]:
        """While the block runs, SIGUSR1 applies the counts in the home."""
        loop.add_signal_handler(signal.SIGUSR1, self._changed.set)
        self._supervisor.publish_scalable(scalable=True)
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            self._supervisor.publish_scalable(scalable=False)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._apply()
            except (OperatorError, OSError) as error:
                self._report("scale", str(error))

    async def _apply(self) -> None:
        specs = {spec.name: spec for spec in self.specs()}
        there = self._supervisor.names("service")
        surplus = there - specs.keys()
        missing = [spec for name, spec in specs.items() if name not in there]
        await asyncio.gather(self._supervisor.remove(surplus), *(self._add(spec) for spec in missing))
        self._home.save_counts(
            count_processes(self._supervisor.names("service"))
        )  # also tells `autograph scale` what could not be started

    async def _add(self, spec: Spec) -> None:
        try:
            await self._supervisor.start([spec])
        except (OperatorError, OSError) as error:
            self._report(spec.name, f"was given up: {error}")
            await self._supervisor.remove([spec.name])
