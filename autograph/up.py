"""``autograph up`` and ``down``: the whole system on this machine, in the foreground."""

import asyncio
import contextlib
import signal
import time
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from autograph.installation import Installation
from autograph.migrate import apply
from autograph.services import service_specs
from autograph.settings import OperatorSettings
from chassis.settings import load
from compose.local.home import CannotProvide, Home
from compose.local.process import stop_all
from compose.local.run import run_servers
from compose.local.stack import addresses
from compose.local.supervisor import stop_left

DOWN_SECONDS = 60.0


def up(
    workers: Annotated[
        list[str] | None, typer.Option(help="More processes of a service, as diagram=2. May be repeated.")
    ] = None,
) -> None:
    """Start servers, gateway and workers, and stay in the foreground; Ctrl-C stops all that was started."""
    settings = load(OperatorSettings)
    try:
        asyncio.run(_up(settings, _counts(workers or [])))
    except CannotProvide as sentence:
        Console(stderr=True).print(str(sentence), style="bold red", highlight=False)
        raise typer.Exit(1) from None


async def _up(settings: OperatorSettings, counts: dict[str, int]) -> None:
    console = Console()
    started = time.monotonic()
    home = Home(settings.home).open()
    given = settings.given()
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

    def report(name: str, state: str) -> None:
        # The terminal may be gone (SIGHUP): that must not keep anything from being stopped.
        with contextlib.suppress(OSError):
            console.print(f"{time.monotonic() - started:6.1f} s  {name:<10} {state}", highlight=False)

    try:
        async with run_servers(home, given, report) as supervisor:
            servers = addresses(home, given)
            if settings.postgres_url is not None:
                await _reachable(settings.postgres_url.get_secret_value())
            secret = settings.installation_secret
            found = Installation(
                servers=servers,
                secret=secret.get_secret_value() if secret else home.secret("installation"),
                auth_secret=home.secret("auth"),
                s3_region=settings.s3_region,
            )
            report("migrate", "running")
            await apply(found, Console(quiet=True))
            report("migrate", "done")
            specs = service_specs(home, servers, found.secret, settings.http_port, counts)
            await supervisor.start(specs)
            ready = True
            if not stop.is_set():
                _tell(console, home, time.monotonic() - started)
            await stop.wait()
            report("autograph", "stopping")
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        composer.uncancel()
    report("autograph", "stopped")


async def _reachable(postgres_url: str) -> None:
    try:
        connection = await asyncpg.connect(postgres_url, timeout=5)
    except asyncpg.InvalidCatalogNameError:
        return  # `migrate` makes the database
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise CannotProvide(f"AUTOGRAPH_POSTGRES_URL names a server that does not let us in: {error}") from None
    await connection.close()


def _tell(console: Console, home: Home, seconds: float) -> None:
    table = Table("process", "pid", "where", "metrics", box=None, pad_edge=False)
    for process in home.state().processes:
        table.add_row(process.name, str(process.pid), process.address, process.metrics_url or "")
    gateway = next(process.address for process in home.state().processes if process.name == "gateway")
    console.print()
    console.print(table)
    console.print(
        f"\nAutoGraph is ready after {seconds:.1f} s: [bold]{gateway}/api/docs[/bold]\n"
        f"Data and logs are in {home.folder}. Ctrl-C stops it all; what is kept is there next time.",
        highlight=False,
    )


def down() -> None:
    """Stop a stack that runs, or that was left behind."""
    home = Home(load(OperatorSettings).home)
    supervisor = home.state().supervisor
    names = [process.name for process in home.state().processes]
    if supervisor is not None and supervisor.identity.alive():
        stop_all([(supervisor.identity, signal.SIGTERM)], DOWN_SECONDS)
    left = stop_left(home) if home.folder.exists() else []
    Console().print(f"stopped: {', '.join(names or left) or 'nothing was running'}", highlight=False)


def _counts(workers: list[str]) -> dict[str, int]:
    counts = {}
    for worker in workers:
        name, _, number = worker.partition("=")
        if name not in ("gateway", "auth", "diagram") or not number.isdecimal() or int(number) < 1:
            raise typer.BadParameter(f"{worker} is not like diagram=2")
        counts[name] = int(number)
    return counts
