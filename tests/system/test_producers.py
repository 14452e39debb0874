"""A program that publishes by itself, and what an operator does about what was given up."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from autograph.broker import open_broker
from autograph.credentials import as_user, service_password
from chassis.bus import headers
from compose.local.home import Home
from tests.eventually import eventually
from tests.servers import REPOSITORY
from tests.system.client import Client
from tests.system.stack import Stack

INGRESS = "autograph.producers.reports"
FLOOD_SECONDS = 10.0
ALARMS = ("mem_alarm", "disk_free_alarm")


@pytest.fixture(scope="module")
async def producer(stack: Stack) -> AsyncIterator[dict[str, str]]:
    """What `autograph producer add` printed."""
    added = await stack.run("producer", "add", "reports", "--allow", "diagram.create_diagram")
    assert added.returncode == 0, added.stderr
    yield dict(line.split(maxsplit=1) for line in added.stdout.splitlines())
    await stack.run("producer", "remove", "reports")


async def test_the_example_program_creates_a_diagram_and_reads_the_reply(producer: dict[str, str]) -> None:
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "examples/producer.py", producer["address"]],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    outcome = json.loads(ran.stdout)
    assert outcome["status"] == "succeeded"
    assert outcome["reply"]["title"] == "Made by a program"


async def test_a_producer_that_says_to_be_a_user_is_not_believed_and_its_message_is_parked(
    stack: Stack, producer: dict[str, str]
) -> None:
    document = a_command(f"user/{uuid4()}")
    await publish(producer["address"], document)
    row = await eventually(lambda: parked(stack, document["id"]))
    assert row["reason"] == "untrusted"
    assert (await stack.run("parked", "redrive", row["id"])).returncode == 1
    assert (await stack.run("parked", "discard", row["id"])).returncode == 0
    assert await parked(stack, document["id"]) == {}


@pytest.mark.slow("ten seconds of a flood")
async def test_a_producer_that_publishes_as_much_as_it_can_stops_neither_the_broker_nor_anybody_else(
    stack: Stack, person: Client
) -> None:
    """Large ones and small ones, valid and not, on all the channels that it may have; it never takes a reply."""
    added = await stack.run("producer", "add", "flood", *(f"--allow={key}" for key in FLOODED))
    assert added.returncode == 0, added.stderr
    address = dict(line.split(maxsplit=1) for line in added.stdout.splitlines())["address"]
    servers, raised = stack.servers(), set[str]()
    async with (
        open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker,
        asyncio.TaskGroup() as floods,
    ):
        deadline = time.monotonic() + FLOOD_SECONDS
        told = [floods.create_task(flood(address, key, size, deadline)) for key, size in FLOODED.items()]
        while time.monotonic() < deadline:
            created = await person.create()
            assert created.status == 201, created  # 202, had it waited long
            (node,) = await broker.get("nodes")
            raised |= {alarm for alarm in ALARMS if node[alarm]}
    assert raised == set()
    assert sum(sent for sent, _ in (task.result() for task in told)) > 100  # it was a flood
    assert (await stack.run("producer", "remove", "flood")).returncode == 0


FLOODED = {
    "diagram.create_diagram": 7_000_000, "auth.register_user": 7_000_000, "diagram.get_diagram": 2_000,
    "auth.sign_in": 2_000,
}  # fmt: skip


async def flood(address: str, key: str, size: int, deadline: float) -> tuple[int, int]:
    """How many were taken, and how many refused because a queue was full."""
    taken = refused = 0
    connection = await aio_pika.connect(address)
    async with connection, connection.channel() as channel:
        user = connection.url.user or ""
        ingress = await channel.get_exchange("autograph.producers.flood", ensure=False)
        message = aio_pika.Message(
            b"x" * size, content_type="application/cloudevents+json", user_id=user,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT, reply_to=f"reply.{user}.1",
        )  # fmt: skip

        async def publish_on() -> None:
            nonlocal taken, refused
            while time.monotonic() < deadline:
                try:
                    await ingress.publish(message, key)
                    taken += 1
                except aio_pika.exceptions.DeliveryError:
                    refused += 1

        await asyncio.gather(*(publish_on() for _ in range(16)))
    return taken, refused


async def test_what_was_parked_is_carried_out_once_it_is_put_back(stack: Stack, producer: dict[str, str]) -> None:
    document = a_command(producer["actor"])
    await publish(
        as_worker(stack, "diagram"),  # who alone is believed about who sent it first
        document, exchange="autograph.parked",
        kept={
            headers.PARKED_REASON: "bug", headers.PARKED_FROM: "diagram.commands", headers.FAILURE_NOTIFIED: 1,
            headers.PARKED_AT: document["time"], headers.ORIGINAL_USER: "producer-reports",
            headers.ORIGINAL_ROUTING_KEY: "diagram.create_diagram",
        },
    )  # fmt: skip
    row = await eventually(lambda: parked(stack, document["id"]))
    shown = json.loads((await stack.run("parked", "show", row["id"])).stdout)
    assert shown["message"]["data"]["title"] == "Parked"
    told = await stack.run("parked", "redrive", row["id"])
    assert told.returncode == 0, told.stderr
    assert "was told that it had failed" in told.stdout
    # Sent again under the same id it is the same command: whoever comes second is told what was done.
    reply = await answer_to(producer["address"], document)
    assert reply["status"] == "succeeded"
    assert await put_back_is_done(stack, document["correlationid"])
    assert await parked(stack, document["id"]) == {}


def as_worker(stack: Stack, worker: str) -> str:
    password = service_password(Home(stack.home).attach().secret("installation"), "rabbitmq", worker)
    return as_user(stack.servers().rabbitmq_url, f"autograph-{worker}", password)


def a_command(actor: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "/producers/reports",
        "type": "autograph.diagram.create_diagram.v1",
        "time": datetime.now(UTC).isoformat(),
        "correlationid": str(uuid4()),
        "actor": actor,
        "data": {"title": "Parked", "type": "note", "note_content": "Hello"},
    }


async def publish(
    address: str, document: dict[str, Any], *, exchange: str = INGRESS, kept: dict[str, Any] | None = None
) -> None:
    connection = await aio_pika.connect(address)
    async with connection, connection.channel(on_return_raises=True) as channel:
        message = aio_pika.Message(
            json.dumps(document).encode(), content_type="application/cloudevents+json", user_id=connection.url.user,
            headers=kept,
        )  # fmt: skip
        await (await channel.get_exchange(exchange, ensure=False)).publish(message, "diagram.create_diagram")


async def parked(stack: Stack, identity: str) -> dict[str, Any]:
    rows = json.loads((await stack.run("parked", "list", "--json")).stdout)
    return next((row for row in rows if row["id"] == identity), {})


async def answer_to(address: str, document: dict[str, Any]) -> dict[str, Any]:
    connection = await aio_pika.connect(address)
    async with connection, connection.channel() as channel:
        user = connection.url.user
        replies = await channel.get_queue(f"reply.{user}.1", ensure=False)
        message = aio_pika.Message(
            json.dumps(document).encode(), content_type="application/cloudevents+json", user_id=user,
            reply_to=replies.name,
        )  # fmt: skip
        ingress = await channel.get_exchange(INGRESS, ensure=False)
        await ingress.publish(message, "diagram.create_diagram")
        async with replies.iterator(no_ack=True, exclusive=True, timeout=20) as incoming:
            outcome: dict[str, Any] = json.loads((await anext(incoming)).body)["data"]
            return outcome


async def put_back_is_done(stack: Stack, correlation_id: str) -> bool:
    """Of the two deliveries of one command, one has done it and the other has not."""

    async def both() -> list[str]:
        settled = [line for line in stack.log("diagram") if line.get("correlation_id") == correlation_id]
        outcomes = sorted(line["outcome"] for line in settled if "outcome" in line)
        return outcomes if len(outcomes) == 2 else []

    return await eventually(both) == ["done", "duplicate"]
