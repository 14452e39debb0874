"""The broker dies, freezes, closes what is open, and refuses to take more."""

import asyncio
import signal
import time

import pytest

from tests.eventually import eventually
from tests.faults.report import Row
from tests.faults.scenario import Run, percentile, under_load
from tests.faults.size import CRASHES
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

REFUSED_SECONDS = 0.1
BACK_SECONDS = 2.0
FROZEN_SECONDS = 20.0
ALARM_SECONDS = 30.0
OUTCOME_SECONDS = 10.25  # the contract's timeout, and what I6 allows beyond


async def test_a_broker_that_is_killed_loses_nothing_that_was_acknowledged(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "broker killed") as run:
        refused: list[float] = []
        for _ in range(CRASHES):
            killed_at = time.monotonic()
            async with run.probed():
                pid = stack.send("rabbitmq", signal.SIGKILL)
                run.count("SIGKILL")
                await stack.running("rabbitmq", other_than=pid)
                back_at = time.monotonic()
                assert await run.recovered(back_at) <= BACK_SECONDS
            refused += run.seconds_of(503, since=killed_at + 0.2, until=back_at, code="unavailable")
            await run.until_told(20)
        assert len(refused) > CRASHES
        run.notes.append(
            f"refused in {percentile(refused, 50) * 1000:.0f} ms, p99 {percentile(refused, 99) * 1000:.0f}"
        )
        assert percentile(refused, 95) <= REFUSED_SECONDS


async def test_a_broker_that_restarts_in_order_gets_its_consumers_back(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "broker stopped and started") as run:
        await stack.rabbitmqctl("stop_app")
        run.count("stop_app")
        await stack.rabbitmqctl("start_app")
        assert await run.recovered() <= BACK_SECONDS
        await run.until_told(20)


async def test_connections_that_the_broker_closes_are_made_again(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "all connections closed by the broker") as run:
        for _ in range(CRASHES):
            before = len(await run.connections())
            await stack.rabbitmqctl("close_all_connections", "--vhost", "autograph", "told to")
            run.count("connections closed", before)
            assert await run.recovered() <= BACK_SECONDS
            await run.until_told(20)


async def test_a_broker_that_freezes_hangs_nobody(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "broker frozen") as run:
        with stack.frozen("rabbitmq"):
            run.count("SIGSTOP")
            await asyncio.sleep(FROZEN_SECONDS)
        assert await run.recovered() <= BACK_SECONDS
        await run.until_told(20)
        assert run.told.worst_open_seconds() <= OUTCOME_SECONDS


@pytest.mark.parametrize(
    ("alarm", "cleared"),
    [
        (("set_vm_memory_high_watermark", "0.00001"), ("set_vm_memory_high_watermark", "absolute", "1GiB")),
        (("set_disk_free_limit", "10000GB"), ("set_disk_free_limit", "200MB")),
    ],
    ids=["memory", "disk"],
)
async def test_what_an_alarm_held_back_is_carried_out_once(
    stack: FaultStack, rows: list[Row], alarm: tuple[str, ...], cleared: tuple[str, ...]
) -> None:
    async with under_load(stack, rows, f"broker's alarm: {alarm[0]}") as run:
        begun = time.monotonic()
        await stack.rabbitmqctl(*alarm)
        try:
            run.count("alarm")

            async def held_back() -> bool:
                return bool(run.seconds_of(503, since=begun))

            # The broker looks at its memory every few seconds, and a command waits ten for its confirm.
            await eventually(held_back, within_seconds=ALARM_SECONDS)
        finally:
            await stack.rabbitmqctl(*cleared)
        await run.recovered()
        await run.until_told(20)
        assert run.told.worst_open_seconds() <= OUTCOME_SECONDS


async def test_a_full_queue_sheds_what_it_cannot_take(stack: FaultStack, rows: list[Row]) -> None:
    policy = {"max-length": 100, "overflow": "reject-publish", "dead-letter-strategy": "at-least-once",
              "dead-letter-exchange": "autograph.parked"}  # fmt: skip
    async with under_load(stack, rows, "command queue full") as run, stack.broker() as broker:
        before = run.resident_bytes("gateway")
        body = {"pattern": r"^diagram\.commands$", "apply-to": "queues", "priority": 10, "definition": policy}
        await broker.put("policies", broker.vhost, "faults-full", body=body)
        try:
            with stack.frozen("diagram", "diagram-2"):
                statuses = await _submitted(run, 600)
        finally:
            await broker.delete("policies", broker.vhost, "faults-full")
        run.count("rejected", statuses.get(503, 0))
        run.notes.append(f"answers to 600 submissions: {statuses}")
        assert set(statuses) <= {202, 503, 429}
        assert statuses.get(202, 0) >= 100
        assert run.resident_bytes("gateway") <= before * 1.2
        await run.recovered()


async def _submitted(run: Run, count: int) -> dict[int, int]:
    person = run.crowd.people[0]
    found: dict[int, int] = {}
    for _ in range(count // 20):
        for answer in await asyncio.gather(*(person.try_once(Prefer="respond-async") for _ in range(20))):
            found[answer.status] = found.get(answer.status, 0) + 1
    return found
