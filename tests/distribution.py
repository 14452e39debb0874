"""Which tests run in one process, and which first, when xdist runs several processes.

A file's tests stay together, since they share what the file's fixtures make. Tests that share a whole stack stay
together over several files, so that it is started once; each test that starts a stack of its own may run anywhere.

xdist's own groups (``--dist loadgroup``) have no effect with pytest 9.2 (pytest-xdist issue 1386), and only a process
that runs tests knows a test's fixtures: the first one writes the groups into a file for the process that distributes.
"""

import json
import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # so are all of xdist's modules

GROUPS = "groups.json"
RUNNING = "running-"  # and the process' id: it has tests to end
STOP_SECONDS = 180.0
POLL_SECONDS = 0.1
SHARES_A_STACK = "stack"  # the session's fixture of this name, in each suite that has one
STARTS_A_STACK = frozenset({"another", "in_odd_places", "plain", "site"})
# What takes longest comes first: a process that got it last would run alone at the end.
LONGEST_FIRST = ("web", "system", "upgrade", "faults", "simulation", "integration")


class Distribution:
    """A pytest plugin, of the process that distributes and of those that run tests."""

    def __init__(self, worker: Mapping[str, Any] | None) -> None:
        """*worker*: what xdist tells a process that runs tests; ``None`` in the one that distributes."""
        self._worker_id = ""
        self._mark = b""  # in the environment of whatever this run starts
        self._own: tempfile.TemporaryDirectory[str] | None = None
        if worker:
            self._worker_id, self._folder = worker["workerid"], Path(worker["folder"])
        else:
            self._own = tempfile.TemporaryDirectory(prefix="autograph-test-run-")
            self._folder = Path(self._own.name)

    # In the process that distributes

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["folder"] = str(self._folder)
        self._mark = f"PYTEST_XDIST_TESTRUNUID={node.workerinput['testrunuid']}".encode()

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:
        return _ByGroup(config, log, self._folder / GROUPS)

    def pytest_keyboard_interrupt(self) -> None:
        """Each process stops what its tests have started. xdist alone would end it after ten seconds, half way."""
        if self._own is None:
            return
        for file in self._folder.glob(f"{RUNNING}*"):
            with suppress(ProcessLookupError):
                os.kill(int(file.name.removeprefix(RUNNING)), signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while list(self._folder.glob(f"{RUNNING}*")) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    # In those that run tests

    def pytest_sessionstart(self) -> None:
        if self._worker_id:
            os.setpgid(0, 0)  # Ctrl-C is for the one that distributes to pass on, once
            (self._folder / f"{RUNNING}{os.getpid()}").touch()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=_rank)
        if self._worker_id == "gw0":
            (self._folder / GROUPS).write_text(json.dumps({item.nodeid: group_of(item) for item in items}), "utf-8")

    def pytest_unconfigure(self) -> None:
        if self._own is not None:
            self._end_what_is_left()
            self._own.cleanup()
        elif self._worker_id:
            (self._folder / f"{RUNNING}{os.getpid()}").unlink(missing_ok=True)

    def _end_what_is_left(self) -> None:
        """A stack whose test was cut short ends by itself when it is told to."""
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # gone, or another user's
                if self._mark and self._mark in (place / "environ").read_bytes().split(b"\0"):
                    os.kill(int(place.name), signal.SIGTERM)


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
