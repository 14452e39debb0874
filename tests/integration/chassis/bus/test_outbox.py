"""Events leave through the outbox only, and none stays behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from chassis.database import Database
from chassis.outbox import BATCH, OutboxRelay
from chassis.unit_of_work import OutboxRow
from contracts.envelope import decode
from tests.integration.chassis.bus.scene import Paint, Scene, delivery_of

RED = Paint(colour="red")


def relay_of(scene: Scene, database: Database, *, sweep_after_seconds: float = 0.0) -> OutboxRelay:
    return OutboxRelay(database, scene.letters, scene.metrics, sweep_after_seconds=sweep_after_seconds)


@pytest.fixture
async def relay(scene: Scene, database: Database) -> AsyncIterator[OutboxRelay]:
    relay = relay_of(scene, database)
    task = asyncio.create_task(relay.relay())
    yield relay
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def committed(scene: Scene) -> list[OutboxRow]:
    """Rows as a crash right after the commit leaves them."""
    await scene.deliver(delivery_of(RED))
    scene.letters.published.clear()
    scene.happened.clear()
    return scene.relay.rows


async def test_what_is_handed_over_is_published_and_its_row_deleted(scene: Scene, relay: OutboxRelay) -> None:
    [row] = await committed(scene)

    relay.enqueue([row])
    async with asyncio.timeout(5):
        await relay.drain()

    [outgoing] = scene.letters.published
    assert (outgoing.exchange, outgoing.routing_key, outgoing.body) == (
        "autograph.events",
        "diagram.picture_hung",
        row.body,
    )
    assert await scene.outbox() == 0


async def test_a_row_whose_publish_failed_stays_for_the_sweep(scene: Scene, relay: OutboxRelay) -> None:
    rows = await committed(scene)
    scene.letters.broken = True
    relay.enqueue(rows)
    async with asyncio.timeout(5):
        await relay.drain()
    assert await scene.outbox() == 1

    scene.letters.broken = False
    assert await relay.sweep_once(scene.caches) == 1
    assert await scene.outbox() == 0


async def test_a_sweep_invalidates_before_it_publishes_the_same_event(scene: Scene, relay: OutboxRelay) -> None:
    [row] = await committed(scene)

    await relay.sweep_once(scene.caches)

    assert scene.happened == ["invalidated wall/1", "published autograph.events"]
    [outgoing] = scene.letters.published
    assert decode(outgoing.body) == decode(row.body)


async def test_two_sweeps_at_once_publish_each_row_once(scene: Scene, database: Database) -> None:
    for _ in range(BATCH + 5):
        await committed(scene)
    sweepers = [relay_of(scene, database) for _ in range(4)]

    swept = await asyncio.gather(*(sweeper.sweep_once(scene.caches) for sweeper in sweepers))

    assert sum(swept) == BATCH + 5
    assert len(scene.letters.published) == BATCH + 5
    assert await scene.outbox() == 0


async def test_a_young_row_is_left_to_its_own_process(scene: Scene, database: Database) -> None:
    await committed(scene)

    assert await relay_of(scene, database, sweep_after_seconds=60).sweep_once(scene.caches) == 0
    assert await scene.outbox() == 1
