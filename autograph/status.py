"""``autograph status``: every process and server of the local stack."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from autograph.settings import OperatorSettings
from chassis.settings import load
from compose.local.home import Home


def status(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")] = False
) -> None:
    """List name, pid, state, address and metrics of all that runs. Exit status 3 if nothing does."""
    rows = found(Home(load(OperatorSettings).home))
    if as_json:
        print(json.dumps(rows, indent=1))  # noqa: T201 - this is the output
    else:
        table = Table("name", "pid", "state", "where", "metrics", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(str(row[column] or "") for column in ("name", "pid", "state", "where", "metrics_url")))
        Console().print(table if rows else "nothing is running")
    if not any(row["state"] == "running" for row in rows):
        raise typer.Exit(3)


def found(home: Home) -> list[dict[str, Any]]:
    """``where`` is a URL for what speaks HTTP, else host and port; both forms are repeated under their own names."""
    state = home.state()
    rows = []
    for process in [*([state.supervisor] if state.supervisor else []), *state.processes]:
        http = process.address.startswith("http")
        host, _, port = process.address.partition(":")
        rows.append(
            {
                "name": process.name,
                "pid": process.pid,
                "state": process.state if process.identity.alive() else "gone",
                "where": process.address,
                "url": process.address if http else None,
                "host": None if http or not port else host,
                "port": None if http or not port else int(port),
                "metrics_url": process.metrics_url,
            }
        )
    return rows
