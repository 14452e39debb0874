"""Run in a checkout's folder, of any release: what only its running code says, as JSON on standard output."""

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from autograph.__main__ import app
from autograph.topology import NEEDED
from chassis import logging
from chassis.bus.topology import EXCHANGES
from contracts.refusal import Refusal
from gateway.problems import EDGE_PROBLEMS, STATUS_OF


def commands(command: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """The path of each command and its options and arguments; an argument that must be given ends in ``!``."""
    names = command.list_commands(None) if hasattr(command, "list_commands") else []
    for name in names:
        yield from commands(command.get_command(None, name), f"{path} {name}".strip())
    if not names:
        required = {parameter.name: "!" if parameter.required else "" for parameter in command.params}
        yield (
            path,
            sorted(
                f"{name}{required[parameter.name]}"
                for parameter in command.params
                for name in (
                    [*parameter.opts, *parameter.secondary_opts]
                    if parameter.param_type_name == "option"
                    else [f"<{command.params.index(parameter)}>"]
                )
            ),
        )


def fields_of_each_line() -> list[str]:
    out = io.StringIO()
    logging.configure("probe", "INFO", json=True, stream=out)
    with logging.bind(correlation_id="1"):
        logging.logger("probe").info("probed")
    return sorted(json.loads(out.getvalue()))


def refusals(kind: type[Refusal] = Refusal) -> Iterator[tuple[str, int]]:
    for one in kind.__subclasses__():
        if one.__module__.startswith("contracts") and isinstance(vars(one).get("code"), str):
            yield one.code, STATUS_OF[one.kind]
        yield from refusals(one)


# The topology has imported all contracts, and so their refusals.
codes: dict[str, set[int]] = {}
for code, status in [*refusals(), *((code, status) for code, (status, _) in EDGE_PROBLEMS.items())]:
    codes.setdefault(code, set()).add(status)
json.dump(
    {
        "codes": {code: sorted(statuses) for code, statuses in codes.items()},
        "commands": dict(commands(get_command(app))),
        "log_line": fields_of_each_line(),
        "exchanges": dict(EXCHANGES),
        "queues": dict(NEEDED.queues),
    },
    sys.stdout,
)
