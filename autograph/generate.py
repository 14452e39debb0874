"""``autograph generate``: the committed documents that follow from the code."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from autograph import asyncapi
from gateway import openapi

DOCS = Path(__file__).parents[1] / "docs"


def generate(
    *, check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file differs.")] = False
) -> None:
    """Write docs/openapi.json and docs/asyncapi.yaml."""
    documents = {
        DOCS / "openapi.json": json.dumps(openapi.document(), indent=1, ensure_ascii=False) + "\n",
        DOCS / "asyncapi.yaml": _yaml(asyncapi.document()),
    }
    stale = [path for path, text in documents.items() if not path.exists() or path.read_text("utf-8") != text]
    if check and stale:
        names = ", ".join(path.name for path in stale)
        raise SystemExit(f"{names} does not follow from the code any more: run `make gen` and commit what it writes")
    for path in stale:
        path.write_text(documents[path], "utf-8")
        typer.echo(f"written: {path.name}")


def _yaml(document: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - a developer's package: the other commands run without it

    class Readable(yaml.SafeDumper):
        """Text of several lines stands as it is."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Readable.add_representer(str, text)
    written: str = yaml.dump(document, Dumper=Readable, sort_keys=False, allow_unicode=True, width=120)
    return written
