"""What a stack's folder remembers: ports, secrets, and which processes are its own."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from compose.local.home import CannotProvide, Home, Running
from compose.local.process import Identity


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
        with pytest.raises(CannotProvide, match="already runs"), a_home(tmp_path).locked():
            pass
    assert not a_home(tmp_path).is_locked()


def test_what_runs_is_kept(tmp_path: Path) -> None:
    process = Running("redis", me().pid, me().started, state="running", address="127.0.0.1:1")

    a_home(tmp_path).keep_state(None, [process])

    assert a_home(tmp_path).state().processes == [process]


def test_processes_of_an_earlier_boot_are_gone(tmp_path: Path) -> None:
    home = a_home(tmp_path)
    home.keep_state(None, [Running("redis", me().pid, me().started)])
    kept = tmp_path / "state.json"
    kept.write_text(json.dumps(json.loads(kept.read_text(encoding="utf-8")) | {"boot": "another"}), encoding="utf-8")

    assert home.state().processes == []


def test_a_pid_that_was_given_to_another_process_is_not_ours() -> None:
    assert me().alive()
    assert not Identity(me().pid, me().started - 1).alive()


@pytest.mark.parametrize("name", ["a\nb", "a\udcffb", "a\x1bb"])
def test_a_home_in_which_no_server_could_run_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(CannotProvide, match="set AUTOGRAPH_HOME to another folder") as refused:
        Home(tmp_path / name).open()

    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ['"', "$HOME", "`", "\\"])
def test_a_folder_for_programs_that_initdb_cannot_run_in_is_refused_before_anything_is_got(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(CannotProvide, match="set AUTOGRAPH_PROGRAMS to another folder"):
        Home(tmp_path, programs=tmp_path / name).open()
