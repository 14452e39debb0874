"""Generates the tables of a chart's README from the comments in its values.yaml.

A comment above or behind a key describes it. Mappings in block style are described by their keys, all other values as
a whole. A comment that a blank line separates from the next key belongs to no key.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

BEGIN: Final = "<!-- written by `make gen` out of values.yaml -->"
END: Final = "<!-- end of what is written -->"
_COMMENT: Final = re.compile(r"\s+#\s(.*)$")


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    description: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)  # path, default, description


def with_tables(readme: str, values: str) -> str:
    """*readme* with the text between its marks replaced. Raises ``ValueError`` if it has none."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the README lacks {END if begin else BEGIN}")
    return f"{before}{BEGIN}\n\n{tables(values)}\n{END}{after}"


def tables(values: str) -> str:
    """The tables in Markdown. Top-level values that are not mappings come first."""
    plain, *others = _sections(values)
    parts = [_table(plain.rows)] if plain.rows else []
    for section in others:
        described = f"{section.description}\n\n" if section.description else ""
        parts.append(f"### `{section.name}`\n\n{described}{_table(section.rows)}")
    return "\n".join(parts)


def _sections(text: str) -> list[Section]:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    lines = text.splitlines()
    sections = [Section("", "")]
    for key, value in root.value:
        if _is_described_within(value):
            rows = list(_rows(key.value, value, text, lines))
            sections.append(Section(key.value, _above(key, lines), rows))
        elif isinstance(value, yaml.ScalarNode):
            sections[0].rows.append(_row(key.value, key, value, text, lines))
        else:
            path, default, behind = _row(key.value, key, value, text, lines, above=False)
            sections.append(Section(key.value, _above(key, lines), [(path, default, behind)]))
    return sections


def _rows(path: str, node: yaml.MappingNode, text: str, lines: list[str]) -> Iterator[tuple[str, str, str]]:
    for key, value in node.value:
        name = f'{path}."{key.value}"' if "." in key.value else f"{path}.{key.value}"
        if _is_described_within(value):
            if said := " ".join(filter(None, (_above(key, lines), _behind(key.start_mark.line, lines)))):
                yield name, "", said
            yield from _rows(name, value, text, lines)
        else:
            yield _row(name, key, value, text, lines)


def _row(
    path: str, key: yaml.Node, value: yaml.Node, text: str, lines: list[str], *, above: bool = True
) -> tuple[str, str, str]:
    said = [_above(key, lines) if above else "", _behind(key.start_mark.line, lines)]
    if value.end_mark.line > key.start_mark.line and isinstance(value, yaml.CollectionNode) and value.flow_style:
        said.append(_behind(value.end_mark.line, lines))
    return path, _default(value, text), " ".join(filter(None, said))


def _is_described_within(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style


def _default(node: yaml.Node, text: str) -> str:
    """The default as written, on one line."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return json.dumps(yaml.safe_load(text[_line_start(text, node) : node.end_mark.index]))
    return " ".join(text[node.start_mark.index : node.end_mark.index].split())


def _line_start(text: str, node: yaml.Node) -> int:
    return text.rfind("\n", 0, node.start_mark.index) + 1


def _above(key: yaml.Node, lines: list[str]) -> str:
    found: list[str] = []
    for line in reversed(lines[: key.start_mark.line]):
        stripped = line.strip()
        if not stripped.startswith("#") or len(line) - len(line.lstrip()) != key.start_mark.column:
            break
        found.insert(0, stripped.lstrip("#").strip())
    return " ".join(found)


def _behind(number: int, lines: list[str]) -> str:
    found = _COMMENT.search(lines[number])
    return found[1].strip() if found else ""


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = ["| value | default | what |", "| --- | --- | --- |"]
    for path, default, said in rows:
        shown = f"`{default}`" if default else ""
        cells.append("| " + " | ".join(_escaped(cell) for cell in (f"`{path}`", shown, said)) + " |")
    return "\n".join(cells) + "\n"


def _escaped(cell: str) -> str:
    """Escapes text for a table cell; inside backquotes only the bar."""
    parts = cell.replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)
