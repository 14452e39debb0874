"""Programs outside that take events: one that has stopped, while another goes on."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from autograph.subscriber import _add, _remove
from tests.eventually import eventually
from tests.faults.observation import repeated
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import LONG
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

TOLD = 10_000 if LONG else 300
KEPT = 20  # events; the real number would take a while
STOPPED, READING = "faults-stopped", "faults-reading"


@asynccontextmanager
async def reading(stack: FaultStack) -> AsyncIterator[list[UUID]]:
    """The ids of all that happens, in the order in which a program hears of it."""
    address = await _add(stack.installation, READING, ["#"], rotate=False)
    heard: list[UUID] = []

    async def take(message: AbstractIncomingMessage) -> None:
        heard.append(UUID(json.loads(message.body)["id"]))
        await message.ack()

    try:
        async with await aio_pika.connect(address) as connection, connection.channel() as channel:
            await (await channel.get_queue(f"autograph.subscribers.{READING}")).consume(take)
            yield heard
    finally:
        await _remove(stack.installation, READING)


@asynccontextmanager
async def stopped(stack: FaultStack) -> AsyncIterator[str]:
    """A queue that nobody takes from, with the bounds of any subscriber's but a small number. Gone at the end."""
    queue = f"autograph.subscribers.{STOPPED}"
    await _add(stack.installation, STOPPED, ["#"], rotate=False)
    async with stack.broker() as broker:
        ours = await broker.get("policies", broker.vhost, "autograph-subscribers")
        definition = ours["definition"] | {"max-length": KEPT}
        body = {"pattern": f"^{queue}$", "apply-to": "queues", "priority": 10, "definition": definition}
        await broker.put("policies", broker.vhost, queue, body=body)
        try:
            yield queue
        finally:
            await broker.delete("policies", broker.vhost, queue)
            await _remove(stack.installation, STOPPED)


async def test_a_subscriber_that_has_stopped_loses_its_own_oldest_events_and_delays_nobody(
    stack: FaultStack, rows: list[Row]
) -> None:
    """The judge sees that commands went on and that our own subscriber applied each event once."""
    async with (
        reading(stack) as heard,
        under_load(stack, rows, "a subscriber's queue is full") as run,
        stopped(stack) as queue,
    ):
        await run.until_told(TOLD, within_seconds=TOLD)

        async def is_full() -> bool:
            listed = await stack.rabbitmqctl("--vhost", "autograph", "--silent", "list_queues", "name", "messages")
            counts = dict(line.split("\t") for line in listed.splitlines() if "\t" in line)
            return int(counts[queue]) >= KEPT

        assert await eventually(is_full)  # far more than that has happened
        run.count("full queues")
    announced = {event.id for event in run.observation.heard}
    assert len(announced) > TOLD
    assert announced <= set(heard)
    # None was refused, and hence none was published once more; a machine that stalls may miss a confirm.
    assert repeated(run.observation.heard) <= len(announced) // 100
