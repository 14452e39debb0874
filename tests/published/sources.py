"""Names that stand in the code only, read from its syntax trees: of any release, without running it."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGES = ("autograph", "chassis", "compose", "contracts", "gateway", "workers")
METRICS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "GaugeMetricFamily": "gauge"}
LOGGERS = frozenset({"log", "_log"})
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
PREFIX = "AUTOGRAPH_"
JSON_OPTION = "--json"

Modules = Mapping[str, Sequence[ast.AST]]


def parsed(root: Path) -> Modules:
    """Path from *root* → all nodes of the module's tree: to walk through a tree takes far longer than to read it."""
    paths = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return {str(path.relative_to(root)): tuple(ast.walk(ast.parse(path.read_text("utf-8")))) for path in paths}


def _calls(modules: Modules) -> Iterator[tuple[str, ast.Call]]:
    """The called name, without what stands before its last point, and the call."""
    for nodes in modules.values():
        for node in nodes:
            if isinstance(node, ast.Call):
                called = node.func
                yield (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")), node


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _texts(nodes: Iterable[ast.AST]) -> list[str]:
    return [text for node in nodes if isinstance(node, ast.expr) and (text := _text(node)) is not None]


def _inside(node: ast.AST | None) -> Iterable[ast.AST]:
    return ast.walk(node) if node is not None else ()


def metrics(modules: Modules) -> dict[str, Any]:
    """Metric → type and labels. ``{service}`` in a name is each service that counts its requests."""
    services = [text for name, call in _calls(modules) if name == "RequestMetrics" and (text := _text(call.args[-1]))]
    found: dict[str, Any] = {}
    for kind, call in _calls(modules):
        if kind not in METRICS or not call.args or len(call.args) + len(call.keywords) < 2:
            continue
        labels = next((word.value for word in call.keywords if word.arg in ("labels", "labelnames")), None)
        labels = call.args[2] if labels is None and len(call.args) > 2 else labels
        meaning = {"type": METRICS[kind], "labels": sorted(_texts(_inside(labels)))}
        if isinstance(call.args[0], ast.JoinedStr):
            (ending,) = _texts(_inside(call.args[0]))
            found |= {f"{service}{ending}": meaning for service in services}
        elif (name := _text(call.args[0])) is not None:
            found[name] = meaning
    return found


def settings(modules: Modules) -> dict[str, list[str]]:
    """Setting → the packages that do not start without it; and each ``AUTOGRAPH_`` name that the code has."""
    classes = {
        node.name: (package, node)
        for path, nodes in modules.items()
        for package in [".".join(Path(path).parts[: 2 if path.startswith("workers/") else 1])]
        for node in nodes
        if isinstance(node, ast.ClassDef)
    }
    profiles = {text.upper() for text in _profile_defaults(modules)}
    found: dict[str, set[str]] = {}
    for package, node in classes.values():
        if node.name != "Settings" and not _derives(node, "Settings", classes):
            continue
        for statement in node.body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            if "ClassVar" in ast.dump(statement.annotation):
                continue
            name = statement.target.id.upper()
            needed = found.setdefault(name, set())
            if name not in profiles and _without_default(statement.value):
                needed.add(package)
    for nodes in modules.values():
        for text in _texts(nodes):
            if text.startswith(PREFIX) and text.isupper() and text.replace("_", "").isalnum() and text[-1] != "_":
                found.setdefault(text.removeprefix(PREFIX), set())
    return {name: sorted(packages) for name, packages in found.items()}


def _without_default(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "Field":
        return not value.args and not any(word.arg in ("default", "default_factory") for word in value.keywords)
    return value is None


def _profile_defaults(modules: Modules) -> list[str]:
    for node in modules["chassis/settings.py"]:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "PROFILE_DEFAULTS":
            return _texts(_inside(node.value))
    return []


def _derives(node: ast.ClassDef, base: str, classes: Mapping[str, tuple[str, ast.ClassDef]]) -> bool:
    names = [getattr(parent, "id", "") for parent in node.bases]
    return base in names or any(name in classes and _derives(classes[name][1], base, classes) for name in names)


def log_events(modules: Modules) -> dict[str, list[str]]:
    """Event → its fields, of all lines that log it. ``(any)``: those that code around it adds."""
    found: dict[str, set[str]] = {}
    for path, nodes in modules.items():
        functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
        for name, call in _calls({path: nodes}):
            event = _event(name, call)
            if event is not None:
                spread = [getattr(word.value, "func", None) for word in call.keywords if word.arg is None]
                helpers = {getattr(called, "id", "") for called in spread} & functions.keys()
                fields = {word.arg for word in call.keywords if word.arg is not None}
                found.setdefault(event, set()).update(
                    fields, *(_keys(_inside(functions[helper])) for helper in helpers)
                )
    return {event: sorted(fields) for event, fields in found.items()}


def _event(name: str, call: ast.Call) -> str | None:
    if name == "bind" and any(word.arg == "correlation_id" for word in call.keywords):
        return "(any)"
    if not isinstance(call.func, ast.Attribute) or getattr(call.func.value, "id", "") not in LOGGERS:
        return None
    at = 1 if name == "log" else 0
    return _text(call.args[at]) if name in LEVELS and len(call.args) > at else None


def _keys(nodes: Iterable[ast.AST]) -> set[str]:
    """The keys of the dictionaries that are written out in *nodes*, or assigned there."""
    found: set[str] = set()
    for inner in nodes:
        if isinstance(inner, ast.Dict):
            found |= {text for key in inner.keys if (text := _text(key)) is not None}
        elif isinstance(inner, ast.Subscript) and isinstance(inner.ctx, ast.Store):
            found |= {text for text in [_text(inner.slice)] if text is not None}
    return found


def problem_members(modules: Modules) -> list[str]:
    """Further members of problem documents: what a refusal is raised with, and keys of ``extra={…}``."""
    refusals = {
        node.name
        for path, nodes in modules.items()
        for node in nodes
        if path.startswith("contracts/") and isinstance(node, ast.ClassDef)
        if any(isinstance(inner, ast.Assign) and getattr(inner.targets[0], "id", "") == "code" for inner in node.body)
    }
    found: set[str] = set()
    for name, call in _calls(modules):
        for word in call.keywords:
            if word.arg == "extra" and isinstance(word.value, ast.Dict):
                found |= _keys(_inside(word.value))
            elif name in refusals and word.arg not in (None, "errors"):
                found.add(str(word.arg))
    return sorted(found)


def findings(modules: Modules) -> list[str]:
    """The doctor's codes. ``*`` stands for a server's name."""
    codes = set()
    for name, call in _calls(modules):
        if name == "Finding" and call.args:
            code = call.args[0]
            parts = code.values if isinstance(code, ast.JoinedStr) else [code]
            codes.add("".join(_text(part) or "*" for part in parts))
    return sorted(codes)


def command_json(modules: Modules) -> dict[str, list[str]]:
    """Command with ``--json`` → what may be a key of its rows: its module's keys and columns, fields of classes.

    Also keys of other dictionaries of the module, which a reader of the difference can tell.
    """
    found: dict[str, set[str]] = {}
    for path, nodes in modules.items():
        package, *inner = Path(path).with_suffix("").parts
        if package == "autograph" and inner[0] != "listing" and _has_json_option(nodes):
            beside = [
                one for other, one in modules.items() if len(inner) > 1 and Path(other).parent == Path(path).parent
            ]
            rows = {name for one in [nodes, *beside] for name in _row_fields(one)}
            columns = {name for text in _texts(nodes) if "SELECT " in text for name in _columns(text)}
            found.setdefault(inner[0], set()).update(_keys(nodes) | rows | columns)
    return {command: sorted(keys) for command, keys in found.items() if keys}


def _has_json_option(nodes: Sequence[ast.AST]) -> bool:
    return JSON_OPTION in _texts(nodes) or any(getattr(node, "id", "") == "AsJson" for node in nodes)


def _row_fields(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.ClassDef) and (
            node.decorator_list or any(getattr(base, "id", "") == "NamedTuple" for base in node.bases)
        ):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    yield statement.target.id


def _columns(statement: str) -> Iterator[str]:
    """The names of the columns that an SQL *statement* selects."""
    selected = re.split(r"\bFROM\b", re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", statement)), maxsplit=1)[0]
    for column in selected.partition("SELECT ")[2].split(","):
        name = re.search(r"(\w+)\s*$", re.sub(r"::\w+(\[\])?", "", column))
        if name is not None:
            yield name[1]
