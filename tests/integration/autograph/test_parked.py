"""The parking lot as its operator sees it: nothing is lost by looking, and what is put back is what it was."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiormq.abc import FieldValue
from uuid_utils.compat import uuid7

from autograph.installation import Installation
from autograph.parked import _redrive, _rows, _settle, _shown
from chassis.bus import headers
from chassis.bus.ports import Delivery
from chassis.bus.reading import read
from compose.local.stack import Servers
from contracts.auth.accounts import UserRegistered
from contracts.auth.sessions import SignIn
from contracts.diagram.diagrams import CreateDiagram
from contracts.envelope import CONTENT_TYPE, Actor, ActorKind, Envelope, encode
from contracts.message import Message
from contracts.sealed import Box
from tests.brokers import open_channel, prepared_vhost, service_url
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.chassis.bus.broker_scene import open_consumers
from tests.integration.chassis.bus.scene import delivery_of
from tests.servers import Vhost

CREATE = CreateDiagram(title="Plan", type="canvas")


@dataclass
class Lot:
    vhost: Vhost
    installation: Installation

    async def park(self, message: Message | bytes, changed: dict[str, str] | None = None) -> str:
        """As a worker does; the id."""
        envelope = None if isinstance(message, bytes) else _envelope(message)
        kept: dict[str, FieldValue] = {
            headers.PARKED_REASON: "bug",
            headers.PARKED_DETAIL: "ZeroDivisionError at handlers.py:1",
            headers.PARKED_FROM: "diagram.commands",
            headers.PARKED_AT: datetime.now(UTC).isoformat(),
            headers.ORIGINAL_USER: "autograph-gateway",
            headers.ORIGINAL_ROUTING_KEY: "diagram.create_diagram",
            headers.ATTEMPT: 3,
            headers.FAILURE_NOTIFIED: 1,
        }
        kept.update(changed or {})
        body = message if isinstance(message, bytes) else encode(envelope, message)  # type: ignore[arg-type]  # there is one
        async with open_channel(service_url(self.vhost, "diagram")) as channel:
            parked = await channel.get_exchange("autograph.parked", ensure=False)
            await parked.publish(
                aio_pika.Message(
                    body, content_type=CONTENT_TYPE, correlation_id="c-1", reply_to="reply.autograph-gateway.1",
                    user_id="autograph-diagram", headers=kept,
                ),
                "diagram.create_diagram",
            )  # fmt: skip
        return str(envelope.id) if envelope else ""

    async def park_again(self, delivery: Delivery) -> None:
        """As a worker does that cannot carry it out."""
        async with open_channel(service_url(self.vhost, "diagram")) as channel:
            parked = await channel.get_exchange("autograph.parked", ensure=False)
            kept: dict[str, FieldValue] = {
                headers.PARKED_REASON: "bug", headers.PARKED_FROM: delivery.queue,
                headers.PARKED_AT: datetime.now(UTC).isoformat(), headers.ORIGINAL_USER: "autograph-gateway",
                headers.ORIGINAL_ROUTING_KEY: CREATE.routing_key(),
            }  # fmt: skip
            message = aio_pika.Message(
                delivery.body, content_type=CONTENT_TYPE, user_id="autograph-diagram", headers=kept
            )
            await parked.publish(message, CREATE.routing_key())

    async def rows(self) -> list[dict[str, Any]]:
        return await _rows(self.installation, None)

    async def redrive(self, *ids: str) -> list[dict[str, Any]]:
        return await _settle(self.installation, list(ids), None, put_back=True)

    async def discard(self, *ids: str) -> list[dict[str, Any]]:
        return await _settle(self.installation, list(ids), None, put_back=False)

    async def taken(self, queue: str) -> AbstractIncomingMessage | None:
        async with open_channel(self.vhost.url) as channel:
            return await (await channel.get_queue(queue, ensure=False)).get(no_ack=True, fail=False)


@pytest.fixture
async def lot(servers: Servers) -> AsyncIterator[Lot]:
    async with prepared_vhost(servers) as vhost:
        yield Lot(
            vhost,
            Installation(replace(servers, rabbitmq_url=vhost.url), INSTALLATION_SECRET),
        )


def _envelope(message: Message) -> Envelope:
    return Envelope(
        id=uuid7(), source="/gateway", type=message.wire_name, time=datetime.now(UTC), correlationid="c-1",
        actor=Actor(kind=ActorKind.USER, id=UUID(int=1)),
    )  # fmt: skip


async def test_looking_takes_nothing_away_however_often(lot: Lot) -> None:
    identity = await lot.park(CREATE)
    for _ in range(25):  # a broker's own limit of redeliveries is 20, since 4.0
        (row,) = await lot.rows()
        assert row["id"] == identity
    assert (row["worker"], row["type"], row["queue"]) == ("diagram", CREATE.wire_name, "diagram.commands")
    assert (row["reason"], row["attempts"], row["failure_told"]) == ("bug", 3, True)
    assert row["detail"] == "ZeroDivisionError at handlers.py:1"


async def test_what_is_shown_is_the_whole_message_with_its_secrets_sealed(lot: Lot) -> None:
    identity = await lot.park(SignIn(email="a@b.example", password=Box(key="1", box="c2VhbGVk")))
    shown = await _shown(lot.installation, identity[:20])
    assert shown is not None
    assert shown["message"]["data"]["password"] == {"key": "1", "box": "c2VhbGVk"}
    assert shown["headers"][headers.ORIGINAL_USER] == "autograph-gateway"
    assert await _shown(lot.installation, "nothing like it") is None


async def test_what_nobody_can_decode_is_shown_and_discarded_and_never_put_back(lot: Lot) -> None:
    await lot.park(b"\x00 nonsense", {headers.PARKED_REASON: "undecodable"})
    (row,) = await lot.rows()
    assert (row["type"], row["reason"]) == (None, "undecodable")
    (refused,) = await lot.redrive(row["id"])
    assert refused["refused"]
    (discarded,) = await lot.discard(row["id"])
    assert not discarded["refused"]
    assert await lot.rows() == []


async def test_a_redrive_puts_it_back_as_it_was_sent_first(lot: Lot) -> None:
    identity, other = await lot.park(CREATE), await lot.park(CREATE)
    (outcome,) = await lot.redrive(identity)
    assert outcome == {
        "id": identity,
        "refused": False,
        "outcome": "put back into diagram.commands; its sender was told that it had failed",
    }
    message = await eventually(lambda: lot.taken("diagram.commands"))
    assert message is not None
    assert message.user_id == "autograph-operator"
    assert (message.content_type, message.correlation_id, message.reply_to) == (CONTENT_TYPE, "c-1", None)
    told = {name: value for name, value in message.headers.items() if name != "x-delivery-count"}  # the broker's
    assert told == {
        headers.ORIGINAL_USER: "autograph-gateway",
        headers.ORIGINAL_ROUTING_KEY: "diagram.create_diagram",
        headers.ATTEMPT: 1,
    }
    assert [row["id"] for row in await lot.rows()] == [other]


async def test_what_fails_again_at_once_is_put_back_once_in_a_run_and_named(lot: Lot) -> None:
    failing, fine = [await lot.park(CREATE) for _ in range(3)], await lot.park(CREATE)
    tried: Counter[str] = Counter()

    async def deliver(delivery: Delivery) -> None:
        identity = json.loads(delivery.body)["id"]
        tried[identity] += 1
        if identity in failing:
            await lot.park_again(delivery)

    async with open_consumers(lot.vhost, "diagram", {"diagram.commands": 8}, deliver):
        outcomes = await _redrive(lot.installation, [""], None, wait_seconds=10)

    assert tried == Counter([*failing, fine])
    assert {outcome["id"]: outcome["came_back"] for outcome in outcomes} == {
        **dict.fromkeys(failing, True), fine: False,
    }  # fmt: skip
    assert all("parked again (bug)" in outcome["outcome"] for outcome in outcomes if outcome["came_back"])
    assert sorted(row["id"] for row in await lot.rows()) == sorted(failing)


async def test_what_is_put_back_is_believed_by_its_worker(lot: Lot) -> None:
    await lot.redrive(await lot.park(CREATE))
    message = await eventually(lambda: lot.taken("diagram.commands"))
    assert message is not None
    delivery = delivery_of(CREATE)._replace(
        body=message.body, user_id=message.user_id, reply_to=None,
        routing_key=str(message.routing_key), headers=dict(message.headers),
    )  # fmt: skip
    received = read(delivery, "diagram", {CREATE.wire_name: (CreateDiagram, _never)})
    assert (received.sender, received.routing_key) == ("autograph-gateway", CREATE.routing_key())
    assert received.message == CREATE


async def _never(*_: object) -> None:
    raise AssertionError


async def test_an_event_that_its_subscriber_could_not_take_goes_back_to_that_subscriber_only(lot: Lot) -> None:
    async with open_channel(service_url(lot.vhost, "auth")) as channel:
        events = await channel.get_exchange("autograph.events", ensure=False)
        event = UserRegistered(user_id=UUID(int=1), email="a@b.example", name=None)
        body = encode(_envelope(event), event)
        await events.publish(
            aio_pika.Message(body, content_type=CONTENT_TYPE, user_id="autograph-auth"), event.routing_key()
        )
        queue = await channel.get_queue("auth.events", ensure=False)

        async def is_dead() -> bool:
            message = await queue.get(fail=False)
            if message is not None:
                await message.reject(requeue=True)
            return bool(await lot.rows())

        await eventually(is_dead, within_seconds=60)
    (row,) = await lot.rows()
    assert (row["reason"], row["queue"]) == ("delivery_limit", "auth.events")
    assert abs(datetime.fromisoformat(row["parked_at"]) - datetime.now(UTC)) < timedelta(minutes=2)
    (outcome,) = await lot.redrive(row["id"])
    assert not outcome["refused"]
    message = await eventually(lambda: lot.taken("auth.events"))
    assert message is not None
    assert message.headers[headers.ORIGINAL_ROUTING_KEY] == UserRegistered.routing_key()
    assert message.headers[headers.ORIGINAL_USER] == "autograph-auth"


async def test_what_is_older_than_the_inbox_is_not_put_back(lot: Lot) -> None:
    old = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    identity = await lot.park(CREATE, {headers.PARKED_AT: old})
    (outcome,) = await lot.redrive(identity)
    assert outcome["refused"]
    assert "older than the 7 days" in outcome["outcome"]
    assert len(await lot.rows()) == 1


async def test_a_worker_that_parks_cannot_reach_anothers_queue_by_way_of_the_operator(lot: Lot) -> None:
    identity = await lot.park(CREATE, {headers.PARKED_FROM: "auth.commands"})
    (outcome,) = await lot.redrive(identity)
    assert outcome["refused"]
    assert await lot.taken("auth.commands") is None
    assert len(await lot.rows()) == 1


async def test_only_what_is_named_is_discarded(lot: Lot) -> None:
    first, second, third = [await lot.park(CREATE) for _ in range(3)]
    assert [outcome["id"] for outcome in await lot.discard(first, third)] == [first, third]
    assert [row["id"] for row in await lot.rows()] == [second]
