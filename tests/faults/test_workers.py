"""Workers and gateways that freeze, block, leave in order, die, or run out of files."""

import asyncio
import signal
import time

import pytest

from tests.faults.clients import at_work
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import KILLS, LONG
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

NOTICED_SECONDS = 33.0  # three of the links' heartbeats, and what the broker rounds up
FROZEN_SECONDS = 40.0  # so that the broker gives the frozen one up, and another takes what it held
LEFT_SECONDS = 10.0


async def test_what_a_frozen_worker_held_is_taken_over_and_its_late_end_changes_nothing(
    stack: FaultStack, rows: list[Row]
) -> None:
    async with under_load(stack, rows, f"worker frozen for {FROZEN_SECONDS:.0f} s") as run:
        with stack.frozen("diagram"):
            run.count("SIGSTOP")
            await asyncio.sleep(FROZEN_SECONDS)
            slowest = max(command.ended_at - command.begun_at for command in run.told.commands)
        await run.recovered()
        await run.until_told(20)
        run.notes.append(f"slowest command {slowest:.0f} s")
        assert slowest <= NOTICED_SECONDS


@pytest.mark.parametrize("point", ["in_transaction", "after_commit"] if LONG else ["after_commit"])
async def test_what_a_blocked_loop_held_is_done_once(stack: FaultStack, rows: list[Row], point: str) -> None:
    async with under_load(stack, rows, f"loop blocked at {point}") as run:
        stack.failpoints.arm(f"{point}@autograph.diagram.change_diagram.v1=block:seconds={FROZEN_SECONDS},times=1")
        await asyncio.sleep(FROZEN_SECONDS)
        run.count("blocked", stack.failpoints.fired()[point])
        await run.recovered()
        await run.until_told(20)


async def test_workers_that_leave_in_order_are_noticed_by_nobody(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "workers stopped in turn") as run:
        for name in ("diagram", "diagram-2", "auth", "auth-2"):
            identity = stack.row(name).identity
            asked_at = time.monotonic()
            stack.send(name, signal.SIGTERM)
            run.count("SIGTERM")
            await stack.running(name, other_than=identity.pid)
            assert not identity.alive()
            assert time.monotonic() - asked_at <= LEFT_SECONDS
            await run.until_told(10)
        await run.recovered()
        assert run.failed() == []


async def test_a_client_whose_gateway_died_repeats_and_is_told(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "gateway killed") as run:
        for _ in range(KILLS):
            pid = stack.send("gateway", signal.SIGKILL)
            run.count("SIGKILL")
            await stack.running("gateway", other_than=pid)
            await run.recovered()
            await run.until_told(10)
        # Whoever ended the session in which it asked cannot ask again.
        asked = [command for command in run.told.commands if not command.ends]
        assert [command for command in asked if command.outcome == "unknown"] == []


async def test_a_gateway_without_files_left_sheds_and_stays(stack: FaultStack, rows: list[Row]) -> None:
    async with (
        stack.another("gateway", prefix=("prlimit", "--nofile=64:64")) as gateway,
        under_load(stack, rows, "gateway out of file descriptors", address=gateway.address) as run,
    ):
        held = []
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", int(gateway.address.rpartition(":")[2]))
            held.append(writer)
        run.count("connections beyond the limit", len(held) - 64)
        await asyncio.sleep(3)
        for writer in held:
            writer.close()
        await run.recovered()
        await run.until_told(20)
        assert gateway.identity.alive()


async def test_a_slow_handler_holds_up_no_other_message(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "creates slowed to 2 s") as run:
        stack.failpoints.arm("before_transaction@autograph.diagram.create_diagram.v1=sleep:seconds=2")
        async with at_work(stack.gateway, clients=2, seed=2) as others:
            await asyncio.sleep(10)
            seconds = [(await others.people[0].ask_for("/api/diagrams?limit=1")).seconds for _ in range(50)]
        run.count("slowed", stack.failpoints.fired()["before_transaction"])
        stack.failpoints.disarm()
        await run.recovered()
        assert max(seconds) < 1.0
