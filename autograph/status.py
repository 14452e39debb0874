"""``autograph status``: every process and server of the local stack."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from autograph.listing import AsJson, print_table
from autograph.liveness import NOT_ANSWERING, mark_unresponsive
from autograph.settings import operator_settings
from compose.local.home import Home, RunningProcess
from compose.local.provision import EXTERNAL_SERVER_VARIABLES


def status(*, as_json: AsJson = False) -> None:
    """List name, pid, state, address and metrics of all that runs. Exit status 3 if nothing does.

    A process that does not respond within 5 s is `not answering`.
    """
    settings = operator_settings()
    home = Home(settings.home)
    rows = stack_rows(home, settings.external_servers())
    asyncio.run(mark_unresponsive(rows))
    for notice in home.notices:
        Console(stderr=True).print(notice, style="yellow", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps(rows, indent=1))  # noqa: T201 - this is the output
    else:
        print_stack(rows) if rows else Console().print("nothing is running")
    if not any(row["state"] in ("running", NOT_ANSWERING) for row in rows):
        raise typer.Exit(3)


def print_stack(rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table("name", "pid", "state", "where", "metrics", box=None, pad_edge=False, collapse_padding=True)
    for row in rows:
        table.add_row(*(str(row[column] or "") for column in ("name", "pid", "state", "where", "metrics_url")))
    print_table(table)


def stack_rows(home: Home, external: Mapping[str, str]) -> list[dict[str, Any]]:
    """``where`` is a URL for HTTP, else host and port; both forms also have columns of their own.

    Servers that the user runs (*external*) have the state ``given`` and no pid.
    """
    state = home.state()
    supervised = state.supervisor is not None and state.supervisor.identity.alive()
    rows = [
        _row(
            process.name,
            process.pid,
            _current_state(process, supervised=supervised),
            process.address,
            process.metrics_url,
        )
        for process in [*([state.supervisor] if state.supervisor else []), *state.processes]
    ]
    if rows:
        rows += [
            _row(name, None, "given", _address(external[variables[0]]))
            for name, variables in EXTERNAL_SERVER_VARIABLES.items()
            if variables[0] in external
        ]
    return rows


def _current_state(process: RunningProcess, *, supervised: bool) -> str:
    if process.identity.alive():
        return process.state
    # The supervisor may not have noticed the end of its process yet.
    return "restarting" if supervised and process.state == "restarting" else "gone"


def _address(url: str) -> str:
    """Without user and password."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{address}" if parts.scheme.startswith("http") else address


def _row(name: str, pid: int | None, state: str, where: str, metrics_url: str | None = None) -> dict[str, Any]:
    http = where.startswith("http")
    host, _, port = where.rpartition(":")
    return {
        "name": name,
        "pid": pid,
        "state": state,
        "where": where,
        "url": where if http else None,
        "host": None if http else host or where or None,
        "port": None if http or not host else int(port),
        "metrics_url": metrics_url,
    }
