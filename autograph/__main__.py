"""``autograph``: the operator's command."""

import sys
from importlib import import_module
from logging import getLogger
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.main import get_command, get_group

from autograph.settings import OperatorSettings
from autograph.stacks import running_stacks
from chassis import logging
from chassis.settings import LogFormat, SettingsInvalid, read
from compose.local.home import OperatorError
from contracts.version import VERSION

UNAVAILABLE = 69  # sysexits.h
# Where each is, in the order of the help. Only the one that is run is imported: all of them take a second of CPU.
COMMANDS: Final = {
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
    "producer": "autograph.producer:app",
    "keys": "autograph.keys:app",
    "users": "autograph.users:app",
    "credentials": "autograph.service_credentials:app",
}


class _Commands(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        names: dict[str, Any] = dict.fromkeys(COMMANDS)
        self.commands = names  # which are listed, and suggested to whoever mistypes one

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), name)
        if isinstance(found, typer.Typer):
            command: Any = get_group(found)
        else:
            single = typer.Typer(add_completion=False)
            single.command(cmd_name)(found)
            command = get_command(single)
        command.name = cmd_name
        return command


# The values of local variables may be secrets.
app = typer.Typer(cls=_Commands, add_completion=False, pretty_exceptions_show_locals=False)


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
        from autograph.failures import describe_failure  # noqa: PLC0415 - it imports the clients of all servers

        text = describe_failure(error)
        if text is None:
            raise
        typer.echo(text, err=True)
        raise SystemExit(1 if isinstance(error, OSError) and error.filename else UNAVAILABLE) from None


if __name__ == "__main__":
    main()
