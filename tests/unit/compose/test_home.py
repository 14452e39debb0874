"""What a stack's folder remembers: ports, secrets, and which processes are its own."""

import errno
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compose.local.home import Home, OperatorError, RunningProcess, StackState
from compose.local.process import Identity, ProcessMark
from compose.local.supervisor import stop_leftovers


def a_home(folder: Path) -> Home:
    return Home(folder).open()


def me() -> Identity:
    identity = Identity.of(os.getpid())
    assert identity is not None
    return identity


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::"])
def test_a_port_that_something_holds_is_never_taken(tmp_path: Path, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as held:
        held.bind((address, 0))
        held.listen()
        port = held.getsockname()[1]

        assert a_home(tmp_path).port("gateway", wanted=port) != port


def test_a_port_that_is_wanted_and_free_is_taken(tmp_path: Path) -> None:
    wanted = a_home(tmp_path / "other").port("any")

    assert a_home(tmp_path / "one").port("gateway", wanted=wanted) == wanted


def test_the_next_run_finds_the_ports_of_the_last(tmp_path: Path) -> None:
    first = a_home(tmp_path).ports("postgres", "redis")

    assert a_home(tmp_path).ports("postgres", "redis") == first


def test_a_home_that_once_missed_the_port_it_wants_has_it_again_as_soon_as_it_is_free(tmp_path: Path) -> None:
    wanted = a_home(tmp_path / "other").port("any")
    with socket.socket() as held:
        held.bind(("127.0.0.1", wanted))
        held.listen()
        assert a_home(tmp_path / "one").port("gateway", wanted=wanted) != wanted

    assert a_home(tmp_path / "one").port("gateway", wanted=wanted) == wanted


def test_a_port_that_somebody_took_meanwhile_is_given_up(tmp_path: Path) -> None:
    port = a_home(tmp_path).port("postgres")
    with socket.socket() as held:
        held.bind(("127.0.0.1", port))
        held.listen()

        assert a_home(tmp_path).port("postgres") != port


def test_no_two_servers_get_one_port_though_none_of_them_listens_yet(tmp_path: Path) -> None:
    home = a_home(tmp_path)

    first = home.port("first")

    assert home.port("second", wanted=first) != first


def test_two_stacks_that_start_at_once_do_not_choose_one_port(tmp_path: Path) -> None:
    one, two = a_home(tmp_path / "one"), a_home(tmp_path / "two")
    with one.locked(), two.locked():
        port = one.port("gateway")

        assert two.port("gateway", wanted=port) != port
    with two.locked():
        assert a_home(tmp_path / "three").port("gateway", wanted=port) == port  # nobody has it any more


def test_a_port_is_none_that_an_outgoing_connection_could_have(tmp_path: Path) -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])

    assert a_home(tmp_path).port("postgres") < lowest


def test_secrets_are_kept_and_nobody_else_can_read_them(tmp_path: Path) -> None:
    secret = a_home(tmp_path / "home").secret("postgres")

    assert a_home(tmp_path / "home").secret("postgres") == secret
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "home" / "secrets.json").stat().st_mode) == 0o600


def test_two_homes_have_secrets_of_their_own(tmp_path: Path) -> None:
    assert a_home(tmp_path / "one").secret("postgres") != a_home(tmp_path / "two").secret("postgres")


def test_a_home_has_one_supervisor(tmp_path: Path) -> None:
    home = a_home(tmp_path)

    with home.locked():
        assert a_home(tmp_path).is_locked()
        with pytest.raises(OperatorError, match="already runs"), a_home(tmp_path).locked():
            pass
    assert not a_home(tmp_path).is_locked()


def test_what_runs_is_kept(tmp_path: Path) -> None:
    process = RunningProcess("redis", me().pid, me().started, state="running", address="127.0.0.1:1")

    a_home(tmp_path).save_state(None, [process])

    assert a_home(tmp_path).state().processes == [process]


def test_processes_of_an_earlier_boot_are_gone(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    home.save_state(None, [RunningProcess("redis", me().pid, me().started)])
    kept = tmp_path / "state.json"
    kept.write_text(json.dumps(json.loads(kept.read_text(encoding="utf-8")) | {"boot": "another"}), encoding="utf-8")

    assert home.state().processes == []


def test_a_pid_that_was_given_to_another_process_is_not_ours() -> None:
    assert me().alive()
    assert not Identity(me().pid, me().started - 1).alive()


@pytest.mark.parametrize("name", ["a\nb", "a\udcffb", "a\x1bb"])
def test_a_home_in_which_no_server_could_run_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorError, match="set AUTOGRAPH_HOME to another folder") as refused:
        Home(tmp_path / name).open()

    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ['"', "$HOME", "`", "\\"])
def test_a_folder_for_programs_that_initdb_cannot_run_in_is_refused_before_anything_is_got(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(OperatorError, match="set AUTOGRAPH_PROGRAMS to another folder"):
        Home(tmp_path, programs=tmp_path / name).open()


DAMAGE = {
    "empty": b"",
    "zeros": bytes(64),
    "truncated": b'{"boot": "x", "processes": [',
    "not JSON": b"\xff\xfe",
    "a list": b"[]",
    "wrong types": b'{"processes": 7, "postgres": {}, "supervisor": []}',
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_processes_are_found_by_their_mark_where_the_state_is_damaged(tmp_path: Path, damage: bytes) -> None:
    home = a_home(tmp_path)
    (tmp_path / "state.json").write_bytes(damage)
    command = [sys.executable, "-c", "print(flush=True); import time; time.sleep(600)"]
    variables = ProcessMark("redis", "server", 15).variable(home.folder)
    with subprocess.Popen(command, env=variables, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        state = home.state()

        assert [(found.name, found.pid) for found in state.processes] == [("redis", process.pid)]
        assert a_home(tmp_path / "another").state().processes == []
        stop_leftovers(home)
        assert process.wait() == -15
    assert "state.json was damaged" in home.notices[0]
    assert a_home(tmp_path).state() == StackState(boot=state.boot)


def test_the_supervisor_of_a_home_is_found_by_its_lock_where_the_state_is_lost(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    with home.locked():
        supervisor = home.state().supervisor
    assert supervisor is not None
    assert supervisor.identity == me()
    assert home.state().supervisor is None


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_ports_are_chosen_anew_by_who_starts_and_said_to_who_asks(tmp_path: Path, damage: bytes) -> None:
    home = a_home(tmp_path)
    home.port("postgres")
    (tmp_path / "ports.json").write_bytes(damage)
    with pytest.raises(OperatorError, match=r"ports.json is damaged \(.*autograph down"):
        a_home(tmp_path).attach()

    restarted = a_home(tmp_path)
    assert restarted.port("postgres")
    assert "ports.json was damaged" in restarted.notices[0]
    assert a_home(tmp_path).attach().port("postgres") == restarted.port("postgres")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_secrets_are_never_replaced_and_the_way_out_is_said(tmp_path: Path, damage: bytes) -> None:
    home = a_home(tmp_path)
    home.secret("auth")
    (tmp_path / "secrets.json").write_bytes(damage)

    for ask in (lambda: home.secret("auth"), lambda: home.secret("new"), lambda: home.save_secret("auth", "x")):
        with pytest.raises(OperatorError, match=r"secrets.json is damaged \(.*autograph restore"):
            ask()
    assert (tmp_path / "secrets.json").read_bytes() == damage


def test_a_password_that_a_database_was_made_with_is_not_made_anew_where_it_is_lost(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    (home.subfolder("postgres") / "PG_VERSION").touch()
    home.subfolder("rabbitmq", "mnesia")

    for name in ("postgres", "rabbitmq"):
        with pytest.raises(OperatorError, match=r"secrets.json lacks what .* needs: put the file back"):
            home.secret(name)
    assert home.secret("redis")  # is told at each start, and opens nothing that is kept


@pytest.mark.parametrize("name", ["state.json", "ports.json", "secrets.json"])
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    home = a_home(tmp_path)
    (tmp_path / name).mkdir()

    asks: dict[str, Callable[[], object]] = {
        "state.json": home.state, "ports.json": home.attach, "secrets.json": lambda: home.secret("auth"),
    }  # fmt: skip
    with pytest.raises(OperatorError, match=f"cannot be used .*{name}.*AUTOGRAPH_HOME"):
        asks[name]()


def test_a_home_that_is_no_folder_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OperatorError, match=r"cannot be used .*set AUTOGRAPH_HOME to another folder"):
        Home(tmp_path / "file").open()


def test_what_is_kept_reaches_the_disk_before_its_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def noted_sync(handle: int) -> None:
        done.append(_kind(handle))
        sync(handle)

    def noted_replace(one: Path, other: Path) -> Path:
        done.append("replace")
        return replace(one, other)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)

    a_home(tmp_path).secret("postgres")

    assert done == ["file", "replace", "folder"]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    home = a_home(tmp_path)
    secret = home.secret("postgres")
    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OperatorError, match="No space left on device"):
        home.secret("another")
    assert a_home(tmp_path).secret("postgres") == secret
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "secrets.json"}


def _kind(handle: int) -> str:
    return "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
