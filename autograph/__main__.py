"""``autograph``: the operator's command."""

import sys
from logging import getLogger
from typing import Annotated

import typer
from rich.console import Console

from autograph.backup.command import backup, restore_command
from autograph.buckets import buckets
from autograph.doctor.command import doctor
from autograph.failures import describe_failure
from autograph.flags import flags
from autograph.generate import generate
from autograph.jobs import app as jobs
from autograph.keys import app as keys
from autograph.migrate import migrate
from autograph.outbox import outbox
from autograph.parked import app as parked
from autograph.producer import app as producer
from autograph.queues import queues
from autograph.scale import scale
from autograph.service_credentials import app as credentials
from autograph.sessions import sessions
from autograph.settings import OperatorSettings
from autograph.stacks import running_stacks
from autograph.status import status
from autograph.subscriber import app as subscriber
from autograph.up import down, up
from autograph.users import app as users
from chassis import logging
from chassis.settings import LogFormat, SettingsInvalid, read
from compose.local.home import OperatorError
from contracts.version import VERSION

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)  # local variables may be secrets
UNAVAILABLE = 69  # sysexits.h


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"autograph {VERSION}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def autograph(
    context: typer.Context,
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=lambda wanted: _show_version(wanted=wanted), is_eager=True,
                     help="Show the release, and exit."),
    ] = False,
) -> None:  # fmt: skip
    """Run and operate AutoGraph.

    The local stack is that of AUTOGRAPH_HOME, else that of this folder, else the one that you have running, else the
    checkout's. AUTOGRAPH_*_URL name servers of your own; docs/settings.md lists all settings.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        console = Console(soft_wrap=True, highlight=False)
        for stack in running_stacks():
            console.print(f"A stack runs in {stack.home}: `autograph status` shows it.", markup=False)
        raise typer.Exit


app.command()(up)
app.command()(down)
app.command()(status)
app.command()(scale)
app.command()(doctor)
app.command()(queues)
app.command()(outbox)
app.command()(sessions)
app.command()(buckets)
app.command()(flags)
app.command()(migrate)
app.command()(backup)
app.command("restore")(restore_command)
app.command()(generate)
app.add_typer(parked, name="parked")
app.add_typer(jobs, name="jobs")
app.add_typer(producer, name="producer")
app.add_typer(subscriber, name="subscriber")
app.add_typer(keys, name="keys")
app.add_typer(users, name="users")
app.add_typer(credentials, name="credentials")


def _configure_logging() -> None:
    """Logs go to standard error: standard output is the command's result."""
    try:
        settings = read(OperatorSettings)
        level, log_format = settings.log_level, settings.log_format
    except SettingsInvalid:  # reported by the command that reads them
        level, log_format = "WARNING", LogFormat.CONSOLE
    logging.configure("autograph", level, json=log_format is LogFormat.JSON, stream=sys.stderr)
    getLogger("aiormq").setLevel("CRITICAL")  # it also raises what it logs, and the command reports that


def main() -> None:
    _configure_logging()
    try:
        app(prog_name="autograph")
    except OperatorError as refusal:
        raise SystemExit(str(refusal)) from None
    except Exception as error:
        text = describe_failure(error)
        if text is None:
            raise
        typer.echo(text, err=True)
        raise SystemExit(1 if isinstance(error, OSError) and error.filename else UNAVAILABLE) from None


if __name__ == "__main__":
    main()
