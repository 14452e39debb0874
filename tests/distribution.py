"""Which tests run in one process, and which first, when xdist runs several processes.

A file's tests stay together, since they share what the file's fixtures make. Tests that share a whole stack stay
together over several files, so that it is started once; each test that starts a stack of its own may run anywhere.

xdist's own groups (``--dist loadgroup``) have no effect with pytest 9.2 (pytest-xdist issue 1386), and only a process
that runs tests knows a test's fixtures: the first one writes the groups into a file for the process that distributes.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # so are all of xdist's modules

SHARES_A_STACK = "stack"  # the session's fixture of this name, in each suite that has one
STARTS_A_STACK = frozenset({"another", "in_odd_places", "plain", "site"})
# What takes longest comes first: a process that got it last would run alone at the end.
LONGEST_FIRST = ("system", "upgrade", "faults", "simulation", "integration")


class Distribution:
    """A pytest plugin, of the process that distributes and of those that run tests."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="autograph-test-groups-")
        self._file = Path(self._folder.name) / "groups.json"

    def pytest_unconfigure(self) -> None:
        self._folder.cleanup()

    # In the process that distributes

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["groups"] = str(self._file)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:
        return _ByGroup(config, log, self._file)

    # In those that run tests

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        items.sort(key=_rank)
        worker: dict[str, Any] = getattr(config, "workerinput", {})
        if worker.get("workerid") == "gw0":
            Path(worker["groups"]).write_text(json.dumps({item.nodeid: group_of(item) for item in items}), "utf-8")


class _ByGroup(LoadScopeScheduling):  # type: ignore[misc]  # of a module without types
    def __init__(self, config: pytest.Config, log: Any, file: Path) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the order is ours
        self._file = file
        self._groups: dict[str, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        if not self._groups:
            self._groups = json.loads(self._file.read_text("utf-8"))
        return self._groups[nodeid]


def group_of(item: pytest.Item) -> str:
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    if SHARES_A_STACK in fixtures:
        return f"the stack of {_suite(item)}"
    if STARTS_A_STACK.intersection(fixtures):
        return item.nodeid
    return item.nodeid.partition("::")[0]


def _rank(item: pytest.Item) -> int:
    suite = _suite(item)
    return LONGEST_FIRST.index(suite) if suite in LONGEST_FIRST else len(LONGEST_FIRST)


def _suite(item: pytest.Item) -> str:
    """The folder below ``tests``."""
    return item.nodeid.split("/")[1]
