"""``autograph up`` and ``down``: the whole system on this machine, in the foreground."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from autograph.installation import installation_in
from autograph.scale import Scale, parse_counts
from autograph.services import check_settings
from autograph.settings import OperatorSettings, operator_settings
from autograph.stacks import recorded
from autograph.status import print_stack, stack_rows
from chassis.settings import EX_CONFIG, SettingsInvalid
from compose.local.home import Home, OperatorError
from compose.local.process import Identity, stop_all
from compose.local.progress import Report, line, now, reported
from compose.local.run import start_servers
from compose.local.stack import is_external_server
from compose.local.supervisor import stop_leftovers
from contracts.services import max_connections

DOWN_SECONDS = 60.0


def up(
    workers: Annotated[
        list[str] | None,
        typer.Option(help="More processes of a service, as diagram=2. May be repeated; kept for the next time."),
    ] = None,
    began: Annotated[
        float | None, typer.Option(hidden=True, help="When `make` began, in /proc/uptime's seconds.")
    ] = None,
) -> None:
    """Start servers, gateway and workers, and stay in the foreground; Ctrl-C stops all that was started."""
    try:
        pools = check_settings()
    except SettingsInvalid as problems:
        typer.echo(str(problems), err=True)
        raise typer.Exit(EX_CONFIG) from None
    settings = operator_settings(starts=True)
    try:
        asyncio.run(_up(settings, parse_counts(workers or []), pools, _moment_of_start() if began is None else began))
    except OperatorError as sentence:
        Console(stderr=True).print(str(sentence), style="bold red", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _moment_of_start() -> float:
    """When this process was started, before Python read any of this."""
    identity = Identity.of(os.getpid())
    return identity.started / os.sysconf("SC_CLK_TCK") if identity else now()


async def _up(settings: OperatorSettings, counts: dict[str, int], pools: dict[str, int], began: float) -> None:
    console = Console()
    home = Home(settings.home, programs=settings.programs).open()
    external = settings.external_servers()
    counts = home.counts() | counts
    stop = asyncio.Event()
    composer = asyncio.current_task()
    assert composer is not None
    ready = False

    def asked_to_stop() -> None:
        stop.set()
        if not ready:
            composer.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked_to_stop)

    report = _reporter(console, home, began)
    connections = max_connections(counts, pools)
    try:
        async with start_servers(home, external, report, connections=connections) as servers, on_record(home):
            installation = installation_in(home, settings)
            migrations = await asyncio.to_thread(_migrations)
            await servers.ready(
                *(name for name in ("postgres", "redis", "s3") if not is_external_server(name, external))
            )
            async with reported(report, "schema", "migrating"):
                await migrations.apply_storage(installation, Console(quiet=True))
            report("schema", "up to date")

            async def broker() -> None:
                await servers.all_ready()
                async with reported(report, "topology", "applying"):
                    await migrations.apply_broker(installation, Console(quiet=True))
                report("topology", "up to date")

            scale = Scale(home, installation, settings.http_port, servers.supervisor, report)
            home.save_counts(counts)
            # Services need only the database to start: they start while the broker, which takes longest, boots.
            await asyncio.gather(broker(), servers.supervisor.start(scale.specs()))
            ready = True
            async with scale.follow_changes(loop):
                if not stop.is_set():
                    _print_summary(console, home, external, settings.http_port, now() - began)
                await stop.wait()
            report("autograph", "stopping")
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        composer.uncancel()
    report("autograph", "stopped")


def _migrations() -> ModuleType:
    """Read while the servers boot: Alembic and SQLAlchemy take as long to read as all the rest."""
    return import_module("autograph.migrate")


def _reporter(console: Console, home: Home, began: float) -> Report:
    def report(name: str, state: str) -> None:
        # The terminal may be closed (SIGHUP): stopping must go on.
        with contextlib.suppress(OSError):
            while home.notices:
                console.print(home.notices.pop(), style="yellow", highlight=False, soft_wrap=True)
            console.print(line(now() - began, name, state), highlight=False, markup=False, soft_wrap=True)

    return report


@contextlib.asynccontextmanager
async def on_record(home: Home) -> AsyncIterator[None]:
    with recorded(home.folder, Path.cwd()):
        yield


def _print_summary(console: Console, home: Home, external: Mapping[str, str], http_port: int, seconds: float) -> None:
    rows = stack_rows(home, external)
    gateway = next(row["where"] for row in rows if row["name"] == "gateway")
    console.print()
    print_stack(rows)
    if urlsplit(gateway).port != http_port:
        console.print(
            f"\nPort {http_port} is in use by another program, so the gateway listens at {gateway}. "
            f"The next `autograph up` tries {http_port} again.",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        f"\nAutoGraph is ready after {seconds:.1f} s: [bold]{gateway}/[/bold]\n"
        f"Data and logs are in {home.folder}. Ctrl-C stops everything; the data is kept.",
        highlight=False,
        soft_wrap=True,
    )


def down() -> None:
    """Stop a stack that runs, or that was left behind."""
    home = Home(operator_settings().home)
    state = home.state()
    for notice in home.notices:
        Console(stderr=True).print(notice, style="yellow", highlight=False, soft_wrap=True)
    names = [process.name for process in state.processes if process.identity.alive()]
    if state.supervisor is not None and state.supervisor.identity.alive():
        Console().print(f"stopping {', '.join(names)}", highlight=False)
        stop_all([(state.supervisor.identity, signal.SIGTERM)], DOWN_SECONDS)
    if home.folder.exists():
        with home.locked():  # not if another stack was started meanwhile
            stop_leftovers(home)
    Console().print(f"stopped: {', '.join(names) or 'nothing was running'}", highlight=False)
