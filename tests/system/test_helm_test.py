"""What `helm test` runs, against a running system: it passes where all is well, and says what is not."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from autograph.scale import NAMES
from tests.servers import REPOSITORY
from tests.system.client import PASSWORD, Client
from tests.system.stack import Stack

PROGRAM = REPOSITORY / "helm" / "autograph" / "files" / "test" / "check.py"
SECONDS = 60


async def side_ports(stack: Stack) -> str:
    status = await stack.status()
    return " ".join(urlsplit(status[service]["metrics_url"]).netloc for service in NAMES)


def check(pods: str, gateway: str, account: Path, *, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PODS": pods,
        "GATEWAYS": gateway,
        "ACCOUNT": str(account),
        "DEADLINE_SECONDS": str(seconds),
    }
    return subprocess.run(
        (sys.executable, "-I", "-c", PROGRAM.read_text("utf-8")),
        env=environment, check=False, capture_output=True, text=True, timeout=2 * SECONDS,
    )  # fmt: skip


@pytest.fixture
async def account(person: Client, tmp_path: Path) -> Path:
    (tmp_path / "email").write_text(f"{person.email}\n", "utf-8")
    (tmp_path / "password").write_text(f"{PASSWORD}\n", "utf-8")
    return tmp_path


async def test_it_passes_where_every_process_is_ready_and_leaves_nothing_behind(
    stack: Stack, gateway: str, person: Client, account: Path
) -> None:
    sessions = (await person.ask("GET", "/api/auth/sessions")).body

    done = check(await side_ports(stack), gateway, account)

    assert done.returncode == 0, done.stderr
    assert f"answers: {gateway}" in done.stdout
    assert await person.all_diagrams() == []
    assert (await person.ask("GET", "/api/diagrams?view=trash")).body["items"] == []
    assert (await person.ask("GET", "/api/auth/sessions")).body == sessions


async def test_a_wrong_password_fails_it_in_one_sentence(stack: Stack, gateway: str, account: Path) -> None:
    (account / "password").write_text("another one", "utf-8")

    done = check(await side_ports(stack), gateway, account)

    assert done.returncode == 1
    assert "/api/auth/login: 401 instead of 200" in done.stderr


def test_a_process_that_is_not_there_fails_it_once_the_time_is_over(gateway: str, tmp_path: Path) -> None:
    done = check("127.0.0.1:1", gateway, tmp_path / "none", seconds=0.1)

    assert done.returncode == 1
    assert "127.0.0.1 at 127.0.0.1: " in done.stderr
