"""`autograph` as it is typed: what it says of itself, which stack it means, and how it says what is wrong."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rich.table import Table

from autograph import stacks, up
from autograph.__main__ import main
from autograph.failures import describe_failure
from autograph.listing import print_table
from autograph.services import check_settings
from autograph.settings import CHECKOUT, operator_settings
from compose.local.home import Home, OperatorError
from compose.local.process import Identity
from compose.local.progress import now
from contracts.version import VERSION

REPOSITORY = Path(__file__).parents[3]
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    def run(*words: str) -> tuple[int, str, str]:
        """Status, standard output and standard error."""
        monkeypatch.setattr(sys, "argv", ["/somewhere/autograph/__main__.py", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return (code, said.out, said.err) if isinstance(code, int) else (1, said.out, f"{said.err}{code or ''}")

    return run


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no checkout, of a user for whom nothing is on record."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    return tmp_path


def test_it_says_its_release_and_its_name(say: Say) -> None:
    assert say("--version") == (0, f"autograph {VERSION}\n", "")
    for words in ((), ("--help",), ("status", "--help")):
        _, said, _ = say(*words)
        assert "Usage: autograph" in said
        assert "__main__" not in said


def test_up_says_all_mistakes_of_all_services_before_anything_starts(
    elsewhere: Path, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGRAPH_HOME", str(elsewhere / "home"))
    wrong = {"BCRYPT_COST": "99", "PUBLIC_DETAILS": "ja", "FLAGS": "foo=on", "HTTP_PORT": "high", "BCRIPT_COST": "1"}
    for name, value in wrong.items():
        monkeypatch.setenv(f"AUTOGRAPH_{name}", value)

    status, _, said = say("up")

    assert status == 78
    assert said.startswith("The settings have 5 mistakes:\n")
    for name in wrong:
        assert said.count(f"  AUTOGRAPH_{name}") == 1, said
    assert not (elsewhere / "home").exists()


@pytest.mark.usefixtures("elsewhere")
def test_a_service_needs_no_settings_but_those_that_up_tells_it() -> None:
    check_settings()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("words", [("backup", "--verify", "nope"), ("restore", "nope")])
def test_a_backup_that_is_not_there_is_said_not_to_be(say: Say, words: tuple[str, ...]) -> None:
    assert say(*words) == (1, "", "there is no folder nope")


def test_a_word_that_is_missing_is_said_without_a_trace(say: Say) -> None:
    status, _, said = say("restore")
    assert status == 2
    assert "Missing argument" in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("elsewhere")
def test_alone_it_lists_its_commands_and_the_stacks_that_run(tmp_path: Path, say: Say) -> None:
    home = Home(tmp_path / "home").open()
    with home.locked(), stacks.recorded(home.folder, tmp_path):
        status, said, _ = say()
    assert status == 0
    assert f"A stack runs in {home.folder}" in said
    assert "A stack runs" not in say()[1]


def test_the_stack_that_runs_is_meant_with_the_settings_that_it_was_started_with(elsewhere: Path) -> None:
    home = Home(elsewhere / "home").open()
    (elsewhere / ".env").write_text("AUTOGRAPH_REDIS_URL=redis://mine/0\n", encoding="utf-8")
    with home.locked(), stacks.recorded(home.folder, elsewhere):
        found = operator_settings()
        assert operator_settings(starts=True).home == CHECKOUT / ".autograph"
    assert found.home == home.folder
    assert found.external_servers()["AUTOGRAPH_REDIS_URL"] == "redis://mine/0"
    assert operator_settings().home == CHECKOUT / ".autograph"


def test_a_home_that_is_named_or_in_this_folder_is_meant_before_one_that_runs(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(elsewhere / "home").open()
    with home.locked(), stacks.recorded(home.folder, elsewhere):
        Path(".autograph").mkdir()
        assert operator_settings().home == Path(".autograph")
        monkeypatch.setenv("AUTOGRAPH_HOME", "/named")
        assert operator_settings().home == Path("/named")


def test_of_several_that_run_none_is_guessed(elsewhere: Path) -> None:
    one, two = Home(elsewhere / "one").open(), Home(elsewhere / "two").open()
    with (
        one.locked(),
        two.locked(),
        stacks.recorded(one.folder, elsewhere),
        stacks.recorded(two.folder, elsewhere),
        pytest.raises(OperatorError, match=rf"Several stacks run.*{one.folder}, {two.folder}"),
    ):
        operator_settings()


def test_what_a_killed_up_left_on_record_is_removed(elsewhere: Path) -> None:
    with stacks.recorded(elsewhere / "gone", elsewhere):
        (stacks.record_folder() / "damaged.json").write_bytes(b"")
        assert stacks.running_stacks() == []
        assert list(stacks.record_folder().iterdir()) == [stacks.record_folder() / "damaged.json"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (asyncpg.InvalidPasswordError("no"), "PostgreSQL refused the connection (no): check AUTOGRAPH_POSTGRES_URL"),
        (asyncpg.UndefinedTableError("none"), "run `autograph migrate`"),
        (RedisConnectionError("refused"), "`autograph doctor`"),
        (ConnectionRefusedError(111, "refused"), "A server cannot be reached"),
        (TimeoutError(), "did not answer in time"),
        (PermissionError(13, "Permission denied", "/a/file"), "/a/file cannot be used: Permission denied"),
    ],
)
def test_what_is_no_bug_is_one_sentence_with_what_to_do(error: Exception, said: str) -> None:
    found = describe_failure(error)
    assert found is not None
    assert said in found
    assert "\n" not in found


@pytest.mark.parametrize("error", [asyncpg.PostgresSyntaxError("x"), ValueError("x"), KeyError("x")])
def test_a_bug_stays_loud(error: Exception) -> None:
    assert describe_failure(error) is None


@pytest.mark.parametrize("columns", ["20", "80"])
def test_what_stands_in_a_table_is_never_cut_and_never_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    table = Table("id", "where", box=None)
    table.add_row("0193-" * 9, "http://127.0.0.1:12345/" + "metrics/" * 9)

    print_table(table)

    assert capsys.readouterr().out.splitlines()[1].split() == ["0193-" * 9, "http://127.0.0.1:12345/" + "metrics/" * 9]


def test_the_time_told_counts_from_the_start_of_the_process_not_from_when_all_was_read() -> None:
    began = up._moment_of_start()

    assert now() - began > time.process_time()  # which is spent since then
    started = Identity.of(os.getpid())
    assert started is not None
    assert began == started.started / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("command", ["flags", "status"])
def test_a_command_reads_no_modules_of_the_others(elsewhere: Path, command: str) -> None:
    """It is waited for by a person, and hundreds of times by the tests."""
    program = "import contextlib, sys; from autograph.__main__ import main\n"
    program += "with contextlib.suppress(SystemExit): main()\n"
    program += "assert not {'alembic', 'aiobotocore', 'sqlalchemy', 'aio_pika'} & {*sys.modules}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, command],
        cwd=elsewhere / "folder", capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
