"""Log events are constants in snake_case, of loggers from one factory: people search for them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SERVICES = ("chassis", "gateway", "workers")
METHODS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
FILES = sorted(file for service in SERVICES for file in (ROOT / service).rglob("*.py"))


def events(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name("log" | "_log"), attr=method), args=args):
                if method in METHODS:
                    yield args[1 if method == "log" else 0]


def test_there_are_events() -> None:
    assert sum(len(list(events(ast.parse(file.read_text())))) for file in FILES) > 50


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_events_are_snake_case_constants(file: Path) -> None:
    for event in events(ast.parse(file.read_text())):
        assert re.fullmatch(r"'[a-z][a-z0-9_]*'", ast.unparse(event))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_loggers_come_from_one_factory(file: Path) -> None:
    if file != ROOT / "chassis" / "logging.py":
        assert "structlog" not in file.read_text()
