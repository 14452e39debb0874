"""How the suite is run: what shares a stack stays in one process, and what takes long says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

CONFTEST = """
import os
import pathlib
import signal
import time
import pytest
from tests import durations
from tests.distribution import Distribution

durations.SLOW_SECONDS, durations.MAX_SECONDS_WITHOUT_REASON = 0.1, 3.0
durations.load = lambda: 1.0

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        pathlib.Path("distributes").write_text(str(os.getpid()))
    config.addinivalue_line("markers", "slow: why")
    config.pluginmanager.register(durations.Durations(), "durations")
    config.pluginmanager.register(Distribution(getattr(config, "workerinput", None)), "distribution")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))

@pytest.fixture(scope="session")
def stack():
    with pathlib.Path("started").open("a") as file:
        print(os.getpid(), file=file)

@pytest.fixture
def slow_to_stop():
    yield
    time.sleep(20)
    pathlib.Path("stopped").touch()

@pytest.fixture
def another():
    with pathlib.Path("others").open("a") as file:
        print(os.getpid(), file=file)
"""
SHARING = """
import time

def test_one(stack): time.sleep(0.2)
def test_two(stack): time.sleep(0.2)
def test_by_itself(another): time.sleep(0.2)
def test_by_itself_as_well(another): time.sleep(0.2)
"""


def run(folder: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Runs tests, *files* of the suite ``system``."""
    suite = folder / "tests" / "system"
    suite.mkdir(parents=True, exist_ok=True)
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    for name, text in files.items():
        (suite / f"test_{name}.py").write_text(text, "utf-8")
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir=.")
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "", "TMPDIR": str(folder)}
    return subprocess.run(
        (*command, *options, "tests"), cwd=folder, env=environment, capture_output=True, text=True, check=False,
        timeout=500,
    )  # fmt: skip


def test_a_shared_stack_is_started_once_and_other_tests_use_the_second_process_meanwhile(tmp_path: Path) -> None:
    done = run(tmp_path, "-n", "2", one=SHARING, two=SHARING)

    assert done.returncode == 0, done.stdout
    [sharing] = (tmp_path / "started").read_text("ascii").split()
    assert set((tmp_path / "others").read_text("ascii").split()) - {sharing}


@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_test_that_takes_long_fails_unless_it_says_why(tmp_path: Path, processes: str) -> None:
    text = """
import pytest, time

def test_quick(): pass
def test_rather_slow(): time.sleep(0.2)
def test_slow(): time.sleep(3.5)
@pytest.mark.slow("it sleeps")
def test_slow_with_a_reason(): time.sleep(3.5)
"""
    done = run(tmp_path, "-n", processes, "-rA", some=text)

    failed = {line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {"test_slow"}, done.stdout
    listed = done.stdout.partition("tests over")[2].partition("short test summary")[0]
    assert "test_slow_with_a_reason: it sleeps" in listed
    assert "test_rather_slow: NO REASON GIVEN" in listed
    assert "test_quick" not in listed


@pytest.mark.parametrize("reason", ['""', '"two\\nlines"', "", "10", 'f"{1:200}"'])
def test_a_reason_is_one_line(tmp_path: Path, reason: str) -> None:
    done = run(tmp_path, some=f"import pytest\n@pytest.mark.slow({reason})\ndef test_one(): pass\n")

    assert done.returncode != 0
    assert "takes one line that says why" in done.stdout + done.stderr


@pytest.mark.slow("what it waits for takes longer than xdist would wait")
def test_a_run_that_is_interrupted_waits_until_its_processes_have_stopped_what_they_started(tmp_path: Path) -> None:
    """Twenty seconds, since xdist and what it is made of would give them fifteen."""
    text = """
import os, pathlib, signal, time

def test_something_long(slow_to_stop):
    os.kill(int(pathlib.Path("distributes").read_text()), signal.SIGTERM)
    time.sleep(600)
"""
    done = run(tmp_path, "-n", "1", some=text)

    assert done.returncode == 2, done.stdout
    assert (tmp_path / "stopped").exists()
    assert list(tmp_path.glob("autograph-test-run-*")) == []
