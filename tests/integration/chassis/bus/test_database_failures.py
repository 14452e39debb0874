"""What a message comes to whose statements are slow, or whose database sessions are ended, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from autograph.credentials import as_user, service_password
from chassis.bus import headers
from chassis.bus.ports import Delivery, OutgoingMessage
from chassis.database import ConnectionLost, Database, DirectConnection, open_database
from chassis.failures import MAX_LOSSES, RUNGS
from contracts.outcome import Status
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.chassis.bus.scene import Look, Paint, Scene, delivery_of

AT_ONCE = 16
TERMINATIONS = 100


@pytest.fixture
async def administrator(migrated_url: str) -> AsyncIterator[DirectConnection]:
    connection = await asyncpg.connect(migrated_url)
    yield connection
    await connection.close()


@pytest.fixture
async def impatient(database: Database, migrated_url: str) -> AsyncIterator[Scene]:
    """Gives up a statement before the server does; on the schema of *database*."""
    await database.probe()
    own = as_user(migrated_url, "autograph_diagram", service_password(INSTALLATION_SECRET, "postgres", "diagram"))
    async with open_database(
        own, application_name="test", pool_min=2, pool_max=4, statement_seconds=60, command_timeout_seconds=0.3
    ) as impatient:
        yield Scene(impatient, probe=impatient.probe)


def copy_of(delivery: Delivery, outgoing: OutgoingMessage) -> Delivery:
    """As the ladder brings it back."""
    return delivery._replace(
        user_id="autograph-diagram", routing_key="diagram.commands", headers=dict(outgoing.headers)
    )


async def test_a_slow_statement_is_tried_again_a_few_times_and_holds_up_nobody_else(
    impatient: Scene, administrator: DirectConnection
) -> None:
    delivery = delivery_of(Paint(colour="red"))
    async with asyncio.timeout(20), administrator.transaction():
        await administrator.execute("LOCK TABLE diagram.pictures IN ACCESS EXCLUSIVE MODE")
        for rung in RUNGS:
            await impatient.deliver(delivery)
            outgoing = impatient.letters.to("autograph.retry")[-1]
            assert outgoing.headers[headers.RUNG] == rung
            assert impatient.gate.is_open
            delivery = copy_of(delivery, outgoing)
        await impatient.deliver(delivery_of(Look()))
        await impatient.deliver(delivery)

    [parked] = impatient.letters.to("autograph.parked")
    assert parked.headers[headers.PARKED_REASON] == "transient"
    assert [outcome.status for outcome in impatient.letters.replies()] == [Status.SUCCEEDED, Status.FAILED]


async def test_a_message_that_ends_its_session_each_time_is_not_carried_out_for_ever(scene: Scene) -> None:
    def lose() -> None:
        raise ConnectionLost

    scene.tools.after = lose

    async with asyncio.timeout(20):
        await scene.deliver(delivery_of(Paint(colour="red")))

    assert scene.tools.runs == MAX_LOSSES
    [outgoing] = scene.letters.to("autograph.retry")
    assert outgoing.headers[headers.RUNG] == RUNGS[0]


async def test_commands_whose_sessions_are_ended_all_the_time_are_each_carried_out_once(
    database: Database, administrator: DirectConnection
) -> None:
    scene = Scene(database, probe=database.probe)
    ended = commands = 0

    async def work() -> None:
        nonlocal commands
        while ended < TERMINATIONS:
            commands += 1
            delivery: Delivery | None = delivery_of(Paint(colour="red"))
            while delivery is not None:
                already = len(scene.letters.published)
                await scene.deliver(delivery)
                delivery = _again(delivery, scene.letters.published[already:])

    async with asyncio.timeout(60):
        working = asyncio.gather(*(work() for _ in range(AT_ONCE)))
        while ended < TERMINATIONS:
            ended += await administrator.fetchval(
                """
                SELECT count(pg_terminate_backend(pid)) FROM (
                    SELECT pid FROM pg_stat_activity WHERE application_name = 'test' ORDER BY random() LIMIT 2
                ) AS chosen
                """
            )
        await working

    assert scene.letters.to("autograph.parked") == []
    assert {outcome.status for outcome in scene.letters.replies()} == {Status.SUCCEEDED}
    assert len(scene.letters.replies()) == await scene.pictures() == commands


def _again(delivery: Delivery, letters: Sequence[OutgoingMessage]) -> Delivery | None:
    """The copy that went to the ladder, if one did. Its first rung is for what was interrupted, and for no bug."""
    copies = [copy_of(delivery, outgoing) for outgoing in letters if outgoing.body == delivery.body]
    return copies[0] if copies else None
