"""Signals reach the process that is meant, and no other."""

import asyncio
import signal
import sys

import pytest

from compose.local.process import Identity, stop_all
from tests.eventually import eventually


async def started(*, leads: bool) -> tuple[asyncio.subprocess.Process, Identity]:
    process = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=leads)
    identity = Identity.of(process.pid)
    assert identity is not None
    return process, identity


@pytest.mark.parametrize("leads", [True, False])
async def test_a_process_is_stopped_whether_or_not_it_leads_its_group(*, leads: bool) -> None:
    process, identity = await started(leads=leads)

    killed = await asyncio.to_thread(stop_all, [(identity, signal.SIGTERM)], 10.0)

    assert killed == []
    assert await process.wait() == -signal.SIGTERM


async def test_a_process_that_has_the_pid_of_ours_is_left_alone() -> None:
    process, identity = await started(leads=True)

    await asyncio.to_thread(stop_all, [(Identity(identity.pid, identity.started - 1), signal.SIGKILL)], 10.0)

    assert identity.alive()
    process.terminate()
    await process.wait()


async def test_what_a_process_started_goes_with_it() -> None:
    program = (
        "import subprocess; child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True); child.wait()"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    identity, child = Identity.of(process.pid), Identity.of(int(await process.stdout.readline()))
    assert identity is not None
    assert child is not None

    await asyncio.to_thread(stop_all, [(identity, signal.SIGTERM)], 10.0)

    await process.wait()

    async def gone() -> bool:
        return not child.alive()

    await eventually(gone)
