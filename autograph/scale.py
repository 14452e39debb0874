"""``autograph scale``: more or fewer processes of a service, in a local stack that runs."""

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer
from rich.console import Console

from autograph.installation import Installation
from autograph.services import MODULES, service_specs
from autograph.settings import operator_settings
from compose.local.home import MOST_PROCESSES, CannotProvide, Home
from compose.local.progress import Report
from compose.local.server import Spec
from compose.local.supervisor import Supervisor

DONE_SECONDS: Final = 210.0  # a service may take 180 s to be ready, and 30 s to drain
POLL_SECONDS: Final = 0.1
_NAME: Final = re.compile(rf"({'|'.join(MODULES)})(?:-[0-9]+)?")


def scale(
    services: Annotated[list[str], typer.Argument(metavar="SERVICE=NUMBER...", help="As diagram=2 auth=1.")],
) -> None:
    """Run this many processes of a service in the stack that runs; the others stay as they are.

    Who is no longer wanted finishes what it has in hand first. The numbers are kept: the next `autograph up` starts as
    many. A further gateway listens on a port of its own, which `autograph status` shows.
    """
    asked = counts_of(services)
    home = Home(operator_settings().home)
    state = home.state()
    if state.supervisor is None or not state.supervisor.identity.alive():
        raise CannotProvide(f"No stack runs in {home.folder}: `autograph up --workers {services[0]}` starts one so")
    if home.notices:
        raise CannotProvide(f"{home.notices[-1]}. How they are is not known: `autograph down` and `up` write it anew")
    if not state.scalable:
        raise CannotProvide("The stack still starts, or was started by an earlier release: try again, or restart it")
    wanted = counts_in(process.name for process in state.processes) | asked
    home.keep_counts(wanted)
    state.supervisor.identity.send_to_process(signal.SIGUSR1)
    _wait(home, wanted)
    Console(highlight=False).print(", ".join(f"{name}: {number}" for name, number in sorted(wanted.items())))


def counts_of(services: Sequence[str]) -> dict[str, int]:
    counts = {}
    for service in services:
        name, _, number = service.partition("=")
        if name not in MODULES or not number.isdecimal() or not 1 <= int(number) <= MOST_PROCESSES:
            raise typer.BadParameter(
                f"{service} is not like diagram=2: there are {', '.join(MODULES)}, each from 1 to {MOST_PROCESSES}"
            )
        counts[name] = int(number)
    return counts


def counts_in(names: Iterable[str]) -> dict[str, int]:
    """Of each service, how many processes there are."""
    return dict(Counter(match[1] for name in names if (match := _NAME.fullmatch(name))))


def _wait(home: Home, wanted: dict[str, int]) -> None:
    deadline = time.monotonic() + DONE_SECONDS
    while time.monotonic() < deadline:
        state = home.state()
        if state.supervisor is None:
            raise CannotProvide("The stack was stopped meanwhile")
        if home.counts() != wanted:
            raise CannotProvide(f"Not all could be started: see the output of `autograph up`, and {home.folder}/logs")
        services = [process for process in state.processes if process.kind == "service"]
        as_many = counts_in(service.name for service in services) == wanted
        if as_many and all(service.state == "running" for service in services):
            return
        time.sleep(POLL_SECONDS)
    raise CannotProvide(f"It is not done after {DONE_SECONDS:.0f} s: `autograph status` shows how far it is")


class Scale:
    """Of one `autograph up`: its services are as many as the home's counts say, also when these change."""

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
    async def followed(self, loop: asyncio.AbstractEventLoop) -> AsyncIterator[None]:
        """While the block runs, each SIGUSR1 brings the services to what the home's counts say."""
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
            except (CannotProvide, OSError) as error:
                self._report("scale", str(error))

    async def _apply(self) -> None:
        specs = {spec.name: spec for spec in self.specs()}
        there = self._supervisor.names("service")
        surplus = there - specs.keys()
        missing = [spec for name, spec in specs.items() if name not in there]
        await asyncio.gather(self._supervisor.remove(surplus), *(self._add(spec) for spec in missing))
        self._home.keep_counts(counts_in(self._supervisor.names("service")))  # also tells who asked what was given up

    async def _add(self, spec: Spec) -> None:
        try:
            await self._supervisor.start([spec])
        except (CannotProvide, OSError) as error:
            self._report(spec.name, f"was given up: {error}")
            await self._supervisor.remove([spec.name])
