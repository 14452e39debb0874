"""What `autograph status` says of a stack."""

import os
from pathlib import Path

from autograph.status import stack_rows
from compose.local.home import Home, RunningProcess
from compose.local.process import Identity

GIVEN = {"AUTOGRAPH_REDIS_URL": "redis://:secret@cache:6379/0"}


def running(name: str, *, state: str = "running", started: int = 0, address: str = "") -> RunningProcess:
    me = Identity.of(os.getpid())
    assert me is not None
    return RunningProcess(name, me.pid, started or me.started, state=state, address=address)


def a_home(folder: Path, *processes: RunningProcess) -> Home:
    home = Home(folder).open()
    home.save_state(running("supervisor"), list(processes))
    return home


def test_a_service_has_a_url_and_a_server_host_and_port(tmp_path: Path) -> None:
    home = a_home(
        tmp_path, running("gateway", address="http://127.0.0.1:8080"), running("redis", address="127.0.0.1:6379")
    )

    supervisor, gateway, redis = stack_rows(home, {})

    assert supervisor["name"] == "supervisor"
    assert (gateway["url"], gateway["host"], gateway["port"]) == ("http://127.0.0.1:8080", None, None)
    assert (redis["url"], redis["host"], redis["port"]) == (None, "127.0.0.1", 6379)
    assert redis["pid"] == os.getpid()
    assert redis["state"] == "running"
    assert {"name", "pid", "state", "url", "host", "port", "metrics_url"} <= redis.keys()


def test_a_process_whose_pid_is_now_anothers_is_gone(tmp_path: Path) -> None:
    home = a_home(tmp_path, running("redis", started=1))

    assert stack_rows(home, {})[1]["state"] == "gone"


def test_a_process_that_is_about_to_be_started_again_is_not_gone(tmp_path: Path) -> None:
    home = a_home(tmp_path, running("redis", state="restarting", started=1))

    assert stack_rows(home, {})[1]["state"] == "restarting"


def test_a_server_of_the_users_own_is_listed_without_its_password(tmp_path: Path) -> None:
    rows = stack_rows(a_home(tmp_path), GIVEN)

    assert rows[1]["state"] == "given"
    assert (rows[1]["name"], rows[1]["pid"]) == ("redis", None)
    assert (rows[1]["host"], rows[1]["port"]) == ("cache", 6379)
    assert "secret" not in str(rows)


def test_where_nothing_runs_nothing_is_listed(tmp_path: Path) -> None:
    assert stack_rows(Home(tmp_path).open(), GIVEN) == []
