"""Output of the listing commands: a table for people, or one JSON array for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

UNLIMITED = 10_000  # columns
AsJson = Annotated[bool, typer.Option("--json", help="One JSON array on standard output.")]


def show(
    rows: Sequence[Mapping[str, Any]],
    *,
    as_json: bool,
    nothing: str,
    cells: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> None:
    """*rows* have the same keys, which are the columns. Times are shown to the second, in JSON as ISO 8601.

    *cells*: what people see of a row, if it is not the whole row; JSON has the whole row.
    """
    if as_json:
        print(json.dumps(rows, indent=1, default=_plain))  # noqa: T201 - this is the output
        return
    if not rows:
        Console().print(nothing)
        return
    shown = [cells(row) for row in rows]
    table = Table(
        *(
            Column(name.replace("_", " "), justify="right" if _is_number(value) else "left")
            for name, value in shown[0].items()
        ),
        box=None,
        pad_edge=False,
    )
    for row in shown:
        table.add_row(*(escape(_shown(value)) for value in row.values()))
    print_table(table)


def print_table(table: Table) -> None:
    """Prints each cell on one line, so that it can be copied; a narrow terminal wraps the line.

    A column with a maximum width may wrap at words.
    """
    for column in table.columns:
        column.no_wrap = column.max_width is None
    console = Console()
    width = console.measure(table, options=console.options.update(max_width=UNLIMITED)).maximum
    Console(width=max(width, console.width), soft_wrap=width > console.width).print(table)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}Z"
        case float():
            return f"{value:,.1f}"
        case int() if _is_number(value):
            return f"{value:,}"
        case _:
            return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
