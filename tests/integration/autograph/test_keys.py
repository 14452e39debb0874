"""``autograph keys`` as an operator runs it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.key_pairs import KeyCipher, Purpose, maintain, rotate, withdraw

SECRET = "auth secret of this test, long enough"
REPOSITORY = Path(__file__).parents[3]


def run(url: str, *arguments: str, secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autograph", "keys", *arguments],
        env={"PATH": os.environ["PATH"], "AUTOGRAPH_POSTGRES_URL": url, "AUTOGRAPH_AUTH_SECRET": secret},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def listed(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(url, "list", "--json").stdout)
    return found


@pytest.fixture(autouse=True)
async def no_keys(admin_url: str) -> None:
    administrator = await asyncpg.connect(admin_url)
    await administrator.execute("DELETE FROM auth.keys")
    await administrator.close()


def test_the_first_key_is_current_and_the_next_is_announced_first(admin_url: str) -> None:
    assert run(admin_url, "rotate", "signing").returncode == 0
    second = run(admin_url, "rotate", "signing")

    next_key, current = listed(admin_url)

    assert (next_key["state"], current["state"]) == ("next", "current")
    assert next_key["id"] in second.stdout
    assert next_key["in_use_from"] in second.stdout


def test_a_new_sealing_key_is_current_at_once(auth_url: str) -> None:
    """With the service's own role, too."""
    run(auth_url, "rotate", "sealing")
    run(auth_url, "rotate", "sealing")

    assert [key["state"] for key in listed(auth_url)] == ["current", "former"]


async def test_a_key_that_was_withdrawn_is_told_from_one_that_came_to_its_end(admin_url: str) -> None:
    now = datetime.now(UTC)
    connection: Any = await asyncpg.connect(admin_url, server_settings={"search_path": "auth"})
    first = await rotate(connection, KeyCipher(SECRET), Purpose.SIGNING, now - timedelta(days=2))
    second = await rotate(connection, KeyCipher(SECRET), Purpose.SIGNING, now - timedelta(days=1))
    third = await rotate(connection, KeyCipher(SECRET), Purpose.SIGNING, now)
    await maintain(
        connection, KeyCipher(SECRET), now, rotate_after=timedelta(days=30), expire_after=timedelta(minutes=65)
    )
    await withdraw(connection, KeyCipher(SECRET), second.id, now)
    await connection.close()

    states = {key["id"]: key["state"] for key in listed(admin_url) if key["purpose"] == "signing"}

    assert states == {third.id: "current", second.id: "withdrawn", first.id: "retired"}


def test_another_secret_changes_nothing(admin_url: str) -> None:
    run(admin_url, "rotate", "signing")

    refused = run(admin_url, "rotate", "signing", secret="another secret of this test, long")

    assert refused.returncode == 1
    assert "AUTOGRAPH_AUTH_SECRET" in refused.stderr
    assert len(listed(admin_url)) == 1


def test_where_nothing_was_migrated_one_sentence_says_so(database_url: str) -> None:
    refused = run(database_url, "list")

    assert refused.returncode == 1
    assert "autograph migrate" in refused.stderr
    assert "Traceback" not in refused.stderr
