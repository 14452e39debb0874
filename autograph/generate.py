"""``autograph generate``: writes the committed files that are generated from the code or from other files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from autograph import asyncapi, settings_page
from autograph.chart_schema import with_services
from autograph.sections import with_sections
from autograph.service_files import SECTIONS
from compose.grafana.build import dashboards
from gateway import openapi

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DASHBOARDS = ROOT / "compose" / "grafana" / "dashboards"
CHART = ROOT / "helm" / "autograph"
CHART_FILES: Final = "helm/autograph/files"
# A chart can only contain files of its own folder.
COPIED: Final = {
    "rules": ("compose/prometheus/rules", "*.yaml"),
    "dashboards": ("compose/grafana/dashboards", "*.json"),
}


def generate(
    *, check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file differs.")] = False
) -> None:
    """Write what follows from the code: documents, dashboards, what files say of the services, the chart's copies."""
    for line in bring_up_to_date(ROOT, sections(ROOT), check=check):
        typer.echo(line)
    documents: dict[Path, str | None] = {
        DOCS / "openapi.json": _json(openapi.document()),
        DOCS / "asyncapi.yaml": _yaml(asyncapi.document()),
        DOCS / "settings.md": settings_page.page(),
        ROOT / "chassis" / "setting_names.py": settings_page.names_module(),
        CHART / "README.md": chart_readme(CHART),
        CHART / "values.schema.json": with_services((CHART / "values.schema.json").read_text("utf-8")),
        **dict.fromkeys(DASHBOARDS.glob("*.json")),
        **{DASHBOARDS / name: _json(document) for name, document in dashboards().items()},
    }
    for line in bring_up_to_date(ROOT, documents, check=check):
        typer.echo(line)
    for line in bring_up_to_date(ROOT, copies(ROOT), check=check):
        typer.echo(line)


def sections(root: Path) -> dict[Path, str | None]:
    """The files of which sections follow from the entries of the services."""
    texts = {name: (root / name).read_text("utf-8") for name in SECTIONS}
    return {root / name: with_sections(texts[name], write(texts[name])) for name, write in SECTIONS.items()}


def chart_readme(chart: Path) -> str:
    """The chart's README with regenerated tables of values."""
    from autograph.chart_values import with_tables  # noqa: PLC0415 - reads YAML: as in _yaml

    return with_tables((chart / "README.md").read_text("utf-8"), (chart / "values.yaml").read_text("utf-8"))


def copies(root: Path) -> dict[Path, str | None]:
    """The files that the chart in *root* contains as copies; None for a copy without original."""
    wanted: dict[Path, str | None] = {}
    for name, (originals, pattern) in COPIED.items():
        folder = root / CHART_FILES / name
        wanted |= dict.fromkeys(folder.glob("*"))
        wanted |= {folder / path.name: path.read_text("utf-8") for path in (root / originals).glob(pattern)}
    return wanted


def bring_up_to_date(root: Path, documents: Mapping[Path, str | None], *, check: bool) -> list[str]:
    """Writes files that differ and removes those with None; returns what was done. With *check*, exits instead.

    Files are named as they stand below *root*: several have the same last name.
    """
    stale = [path for path, text in documents.items() if (path.read_text("utf-8") if path.exists() else None) != text]
    if check and stale:
        names = ", ".join(_below(root, path) for path in stale)
        raise SystemExit(f"{names} does not follow from its source any more: run `make gen` and commit what it writes")
    done = []
    for path in stale:
        text = documents[path]
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        done.append(f"{'removed' if text is None else 'written'}: {_below(root, path)}")
    return done


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _yaml(document: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - a developer's package: the other commands run without it

    class Readable(yaml.SafeDumper):
        """Multi-line text in block style."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Readable.add_representer(str, text)
    written: str = yaml.dump(document, Dumper=Readable, sort_keys=False, allow_unicode=True, width=120)
    return written
