"""``autograph``: the operator's command."""

import sys
from importlib import import_module
from logging import getLogger
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command

from autograph.settings import OperatorSettings
from autograph.stacks import running_stacks
from chassis import logging
from chassis.settings import LogFormat, SettingsInvalid, read
from compose.local.home import OperatorError
from contracts.version import VERSION

# Each in the module that has it: a function, or an application of commands of its own.
COMMANDS = {
    "up": "autograph.up:up",
    "down": "autograph.up:down",
    "status": "autograph.status:status",
    "scale": "autograph.scale:scale",
    "doctor": "autograph.doctor.command:doctor",
    "queues": "autograph.queues:queues",
    "outbox": "autograph.outbox:outbox",
    "sessions": "autograph.sessions:sessions",
    "buckets": "autograph.buckets:buckets",
    "flags": "autograph.flags:flags",
    "migrate": "autograph.migrate:migrate",
    "backup": "autograph.backup.command:backup",
    "restore": "autograph.backup.command:restore_command",
    "generate": "autograph.generate:generate",
    "parked": "autograph.parked:app",
    "jobs": "autograph.jobs:app",
    "producer": "autograph.producer:app",
    "subscriber": "autograph.subscriber:app",
    "keys": "autograph.keys:app",
    "users": "autograph.users:app",
    "credentials": "autograph.service_credentials:app",
}


class Commands(TyperGroup):
    """Imports a command's module when the command is asked for: most need neither Alembic nor the object store."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the caller's form
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the caller's form
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            application = found
        else:
            application = typer.Typer(add_completion=False)
            application.command(cmd_name)(found)
        command = get_command(application)
        command.name = cmd_name
        return command


# Local variables may be secrets.
app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_show_locals=False)
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
        from autograph.failures import describe_failure  # noqa: PLC0415 - it knows the failures of every client library

        text = describe_failure(error)
        if text is None:
            raise
        typer.echo(text, err=True)
        raise SystemExit(1 if isinstance(error, OSError) and error.filename else UNAVAILABLE) from None


if __name__ == "__main__":
    main()
