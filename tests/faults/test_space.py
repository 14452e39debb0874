"""The disk that PostgreSQL, the broker, the object store and the logs share is full, and then is not."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.stack import fault_stack

pytestmark = pytest.mark.matrix

DISK_BYTES = 1 << 30
SHED_SECONDS = 12.0
BACK_SECONDS = 30.0  # the broker looks at its disk every ten seconds or so
# RabbitMQ 3.10's node ends if a write to its Raft log finds no space, and takes most of a minute to go (2026-11-28).
BROKER_SECONDS = 150.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    if os.geteuid() != 0:
        pytest.fail("a disk of its own takes root to mount it")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


async def test_a_full_disk_costs_nothing_that_was_acknowledged(disk: Path, rows: list[Row]) -> None:
    async with fault_stack(disk / "stack") as stack, under_load(stack, rows, "disk full") as run:
        filler, broker = disk / "filler", stack.row("rabbitmq").pid
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1 << 20))
                    file.flush()
            except OSError:
                run.count("disk full")
        async with run.probed():
            await asyncio.sleep(SHED_SECONDS)
        filler.unlink()
        seconds = await run.recovered(within_seconds=BROKER_SECONDS)
        died = stack.row("rabbitmq").pid != broker
        run.notes.append("the broker died of it" if died else "the broker lived through it")
        assert seconds <= (BROKER_SECONDS if died else BACK_SECONDS)
        await run.until_told(20)
        refused = run.told.statuses(since=run.began_at)
        run.notes.append(f"answers by status {refused}")
        # A query that the database does not answer in its time is a 504.
        assert {status for status in refused if status >= 500} <= {503, 504}
