"""Messages that come again and in disorder, and messages that nobody can carry out."""

import json
import time
from uuid import uuid4

import aio_pika
import pytest

from contracts import diagram
from contracts.catalogue import SUBSCRIPTIONS
from contracts.message import Command
from tests.eventually import eventually
from tests.faults.disorder import disordered
from tests.faults.observation import parked, quiet
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import LONG
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

TOLD = 10_000 if LONG else 300
PARKED_SECONDS = 1 + 10 + 1 + 2  # a bug's two rungs, what the issue allows beyond, and the two tries
POISON_SECONDS = 90  # three deaths and restarts, and twice what a mark waits for its owner
MADE_UP = "autograph.diagram.paint_diagram.v1"


async def test_events_that_come_thrice_and_in_disorder_are_applied_once(stack: FaultStack, rows: list[Row]) -> None:
    keys = [event.routing_key() for event in SUBSCRIPTIONS["auth"]]
    async with (
        under_load(stack, rows, "events repeated and in disorder") as run,
        disordered(stack, "autograph.events", "auth.events", keys) as seen,
    ):
        await run.until_told(TOLD, within_seconds=TOLD)
        run.count("copies", seen.copies)
    assert run.observation.audit_broken_at is None


async def test_commands_that_come_thrice_are_carried_out_once(stack: FaultStack, rows: list[Row]) -> None:
    keys = [m.routing_key() for m in diagram.MESSAGES if issubclass(m, Command)]
    async with (
        under_load(stack, rows, "commands repeated and in disorder") as run,
        disordered(stack, "autograph.commands", "diagram.commands", keys) as seen,
    ):
        await run.until_told(TOLD // 3, within_seconds=TOLD)
        run.count("copies", seen.copies)


async def test_what_nobody_can_read_is_set_aside_and_holds_up_nobody(stack: FaultStack, rows: list[Row]) -> None:
    unreadable = (b"{", b"[]", json.dumps({"type": MADE_UP, "id": str(uuid4())}).encode(), b"x" * (20 << 20))
    async with under_load(stack, rows, "unreadable messages") as run:
        before = await parked(stack)
        async with await aio_pika.connect(stack.servers_url["rabbitmq"]) as connection, connection.channel() as channel:
            exchange = await channel.get_exchange("autograph.commands")
            for body in unreadable:
                message = aio_pika.Message(body, content_type="application/cloudevents+json")
                await exchange.publish(message, "diagram.create_diagram")
                run.count("messages")

            async def all_parked() -> bool:
                return await parked(stack) == before + len(unreadable)

            await eventually(all_parked, within_seconds=20)
            await run.until_told(20)
            run.crowd.stop.set()  # while people work something is always on its way
            await quiet(stack)  # a copy whose confirm was late is parked again
            await (await channel.get_queue("diagram.parked", ensure=False)).purge()


async def test_a_command_that_kills_its_worker_is_parked_after_the_second_time_alone_and_the_rest_goes_on(
    stack: FaultStack, rows: list[Row]
) -> None:
    point = "before_transaction@autograph.auth.change_profile.v1"
    async with under_load(stack, rows, "a message that kills its worker") as run:
        before = await parked(stack)
        stack.failpoints.arm(f"{point}=kill")
        key = uuid4().hex
        await run.crowd.people[0].rename(key)

        async def is_parked() -> bool:
            return await parked(stack) == before + 1

        await eventually(is_parked, within_seconds=POISON_SECONDS)
        run.count("kills", stack.failpoints.fired()["before_transaction"])
        stack.failpoints.disarm()
        assert run.fired["kills"] == 3  # once among others, and twice alone
        await run.recovered()
        await run.until_told(20)
        run.crowd.stop.set()
        await quiet(stack)
        assert await parked(stack) == before + 1  # and nothing of what was in hand beside it
        assert (await run.crowd.people[0].rename(key)).status == 200  # its repeat runs it again, which kills no more
        async with await aio_pika.connect(stack.servers_url["rabbitmq"]) as connection, connection.channel() as channel:
            await (await channel.get_queue("auth.parked", ensure=False)).purge()


async def test_a_command_that_always_fails_is_set_aside_told_and_runs_again_when_repeated(
    stack: FaultStack, rows: list[Row]
) -> None:
    async with under_load(stack, rows, "a handler that always fails") as run:
        before = await parked(stack)
        stack.failpoints.arm("in_transaction@autograph.auth.change_profile.v1=raise")
        person, key = run.crowd.people[0], uuid4().hex
        begun = time.monotonic()
        await person.rename(key)

        async def is_parked() -> bool:
            return await parked(stack) == before + 1

        await eventually(is_parked, within_seconds=PARKED_SECONDS)
        run.notes.append(f"parked after {time.monotonic() - begun:.1f} s")
        run.count("raised", stack.failpoints.fired()["in_transaction"])
        stack.failpoints.disarm()

        async def runs_again() -> bool:
            # Of two who ask the same, both are told what the first one comes to: this may still be its failure.
            return (await person.rename(key)).status == 200

        await eventually(runs_again, within_seconds=5)
        await run.until_told(20)
        async with await aio_pika.connect(stack.servers_url["rabbitmq"]) as connection, connection.channel() as channel:
            await (await channel.get_queue("auth.parked", ensure=False)).purge()
