"""What `autograph` does with a home whose files were damaged: by a full disk, a crash, or a hand."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.system.stack import Stack, gone
from tests.system.test_launcher import find_what_was_left, leave_something

DAMAGE = {
    "empty": b"",
    "truncated": b'{"boot": "1234',
    "of another type": b"[1, 2]",
    "missing": None,
    "unreadable": ...,
}


def damage(path: Path, content: bytes | None) -> None:
    path.unlink() if content is None else path.write_bytes(content)


def assert_no_trace(told: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in told.stderr + told.stdout
    assert told.stderr.count("\n") <= 2, told.stderr


@pytest.mark.slow("starts and stops a stack")
async def test_a_running_stack_whose_state_was_damaged_is_listed_and_stopped_by_what_runs(another: Stack) -> None:
    another.up()
    await another.ready()
    before = {name: row["pid"] for name, row in (await another.status()).items()}
    started = await another.identities()
    damage(another.home / "state.json", b"")

    assert {name: row["pid"] for name, row in (await another.told_status()).items()} == before
    damage(another.home / "ports.json", b"{")
    doctor = await another.run("doctor")
    assert_no_trace(doctor)
    assert "stop the stack with `autograph down`" in doctor.stderr
    assert (await another.run("down")).returncode == 0

    assert await another.end(None) == 0
    await gone(started)


@pytest.mark.slow("starts a stack twice, and kills it once")
async def test_a_stack_whose_ports_and_state_were_damaged_comes_up_with_its_data_and_without_secrets_says_what_to_do(
    another: Stack,
) -> None:
    another.up()
    await another.ready()
    await leave_something(another.servers())
    left = [found for found in await another.identities() if found.pid != another.process.pid]
    await another.end(signal.SIGKILL)
    secrets = (another.home / "secrets.json").read_bytes()
    damage(another.home / "state.json", b"")
    damage(another.home / "ports.json", b'{"postgres":')
    for how in (b"", secrets[:-20], None):
        damage(another.home / "secrets.json", how)
        refused = await another.run("up")
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
        assert "put the file back from a copy, or restore a backup" in refused.stderr
    (another.home / "secrets.json").write_bytes(secrets)

    another.up()
    await another.ready()

    await gone(left)  # what the killed one left was found though its state was lost
    assert await find_what_was_left(another.servers())
    assert await another.end(signal.SIGTERM) == 0
