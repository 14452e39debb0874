"""What the operator is told while a queue is dead, or worked off by nobody."""

import asyncio
from collections.abc import Callable

import aio_pika
import pytest

from autograph.doctor.command import examine
from autograph.doctor.finding import Finding
from tests.eventually import eventually
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

DEAD = "faults.dead"


async def finds(stack: FaultStack, so: Callable[[list[Finding]], bool], *, within_seconds: float = 30.0) -> None:
    async def told() -> bool:
        findings = await examine(stack.installation)
        assert so(findings), findings
        return True

    await eventually(told, within_seconds=within_seconds)


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings} - {"messages_parked"}


async def test_a_queue_without_a_leader_is_named_and_is_well_when_it_has_one_again(stack: FaultStack) -> None:
    await finds(stack, lambda findings: not codes(findings))
    url = stack.installation.servers.rabbitmq_url
    server = f"{{'autograph_{DEAD}', node()}}"
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(DEAD, durable=True, arguments={"x-queue-type": "quorum"})
        try:
            assert "ok" in await stack.rabbitmqctl("eval", f"ra:stop_server(quorum_queues, {server}).")
            await finds(
                stack,
                lambda findings: any(one.code == "queue_without_leader" and DEAD in one.what for one in findings),
            )
            assert "ok" in await stack.rabbitmqctl("eval", f"ra:restart_server(quorum_queues, {server}).")
            await finds(stack, lambda findings: not codes(findings))
        finally:
            await channel.queue_delete(DEAD)


async def test_a_queue_whose_workers_are_frozen_is_named(stack: FaultStack, rows: list[Row]) -> None:
    async with under_load(stack, rows, "workers frozen, seen by the doctor") as run:
        with stack.frozen("diagram", "diagram-2"):
            run.count("SIGSTOP", 2)
            person = run.crowd.people[0]
            await asyncio.gather(*(person.try_once(Prefer="respond-async") for _ in range(60)))
            await finds(stack, lambda findings: "queue_behind" in codes(findings))
        await run.recovered()
