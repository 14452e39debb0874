"""What a producer's address is good for, in the hands of somebody who wants more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aio_pika
import aiormq
import pytest
from aiormq.abc import AbstractChannel

from autograph.ingress import Producer
from autograph.topology import apply_topology
from chassis.bus.ports import Delivery
from chassis.bus.reading import Unreadable, read
from compose.local.stack import Servers
from contracts.auth.accounts import RegisterUser
from contracts.diagram.diagrams import CreateDiagram
from tests.brokers import open_channel, prepared_vhost
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.autograph.producers import (
    CREATE,
    REGISTER,
    Address,
    add_producer,
    add_producer_of_0_1,
    is_refused,
    producers,
    publish,
    take,
)
from tests.integration.chassis.bus.broker_scene import open_consumers
from tests.servers import Vhost

HANDLERS: Any = {
    RegisterUser.wire_name: (RegisterUser, None),
    CreateDiagram.wire_name: (CreateDiagram, None),
}
EVERYBODYS_QUEUES = (
    "diagram.commands", "diagram.commands.producers", "diagram.queries", "diagram.parked", "diagram.refused",
    "auth.events", "retry.1s", "reply.producer-other.1",
)  # fmt: skip
Act = Callable[[AbstractChannel], Awaitable[object]]
Escape = Callable[[AbstractChannel, str], Awaitable[str]]


@pytest.fixture(scope="module")
async def broker(servers: Servers) -> AsyncIterator[Vhost]:
    async with prepared_vhost(servers) as vhost:
        yield vhost


@pytest.fixture(scope="module")
async def producer(broker: Vhost) -> AsyncIterator[Address]:
    async with producers(broker, "other", "attacker"):
        await add_producer(broker, "other", CREATE)
        yield await add_producer(broker, "attacker", CREATE)


@pytest.fixture
async def old_producer(broker: Vhost) -> AsyncIterator[Address]:
    async with producers(broker, "old"):
        yield await add_producer_of_0_1(broker, "old", CREATE)


def publishes(exchange: str, key: str, **properties: Any) -> Act:
    return lambda channel: publish(channel, exchange, key, **properties)


def binds_exchange(source: str, destination: str) -> Act:
    return lambda channel: channel.exchange_bind(destination, source, routing_key="#")


def binds_queue(source: str, queue: str) -> Act:
    return lambda channel: channel.queue_bind(queue, source, routing_key="#")


def escapes(by: Escape, user: str) -> Act:
    return lambda channel: by(channel, user)


async def test_what_it_may_send_arrives_where_producers_messages_are_taken_from(
    broker: Vhost, producer: Address
) -> None:
    async with open_channel(producer.url) as channel:
        await publish(await channel.get_underlay_channel(), producer.ingress, CREATE, user_id=producer.user)
    found = await eventually(lambda: take(broker, "diagram.commands.producers"))
    assert found is not None
    assert found.user_id == producer.user


async def test_it_publishes_nothing_else_and_nowhere_else(producer: Address) -> None:
    for exchange, key in (
        (producer.ingress, REGISTER), (producer.ingress, "diagram.delete_diagram"), (producer.ingress, "#"),
        ("autograph.commands", CREATE), ("autograph.queries", "diagram.get_diagram"),
        ("autograph.events", "diagram.diagram_created"), ("autograph.replies", "reply.autograph-gateway.1"),
        ("autograph.retry", "diagram.commands"), ("autograph.parked", "diagram.x"), ("autograph.refused", "diagram.x"),
        ("autograph.producers.other", CREATE), ("amq.topic", CREATE), ("amq.direct", CREATE), ("amq.fanout", ""),
        ("", "diagram.commands"), ("", "reply.producer-other.1"), ("", "reply.producer-attacker.1"),
    ):  # fmt: skip
        assert await is_refused(producer.url, publishes(exchange, key)), (exchange, key)


async def test_it_cannot_say_to_be_somebody_else(producer: Address) -> None:
    for user in ("autograph-gateway", "autograph-diagram", "producer-other", "autograph-operator"):
        assert await is_refused(producer.url, publishes(producer.ingress, CREATE, user_id=user)), user


@pytest.mark.parametrize(
    "name", ["reply.producer-attacker.2", "reply.producer-attacker.evil", "evil", "autograph.producers.attacker2", ""]
)
async def test_it_makes_no_exchange_and_no_queue(producer: Address, name: str) -> None:
    assert await is_refused(producer.url, lambda channel: channel.queue_declare(name))
    assert await is_refused(
        producer.url,
        lambda channel: channel.queue_declare(
            name, exclusive=True, arguments={"x-dead-letter-exchange": "autograph.commands", "x-message-ttl": 1}
        ),
    )
    assert await is_refused(
        producer.url,
        lambda channel: channel.exchange_declare(
            name or "x", exchange_type="topic", arguments={"alternate-exchange": "autograph.commands"}
        ),
    )


async def test_it_binds_nothing_to_anything(producer: Address) -> None:
    for source, destination in (
        (producer.ingress, "autograph.commands"), ("autograph.commands", producer.ingress),
        ("autograph.events", producer.ingress), ("amq.topic", producer.ingress), (producer.ingress, producer.ingress),
    ):  # fmt: skip
        assert await is_refused(producer.url, binds_exchange(source, destination)), (source, destination)
    for exchange in ("autograph.events", "autograph.replies", "autograph.commands", producer.ingress):
        assert await is_refused(producer.url, binds_queue(exchange, "reply.producer-attacker.1")), exchange
    assert await is_refused(
        producer.url,
        lambda channel: channel.queue_unbind("diagram.commands.producers", producer.ingress, routing_key=CREATE),
    )


@pytest.mark.parametrize("queue", EVERYBODYS_QUEUES)
async def test_it_takes_empties_and_deletes_nothing_of_others(producer: Address, queue: str) -> None:
    assert await is_refused(producer.url, lambda channel: channel.basic_get(queue))
    assert await is_refused(producer.url, lambda channel: channel.basic_consume(queue, _never))
    assert await is_refused(producer.url, lambda channel: channel.queue_purge(queue))
    assert await is_refused(producer.url, lambda channel: channel.queue_delete(queue))


async def test_it_does_not_even_delete_what_is_its_own(producer: Address) -> None:
    assert await is_refused(producer.url, lambda channel: channel.queue_delete("reply.producer-attacker.1"))
    assert await is_refused(producer.url, lambda channel: channel.exchange_delete(producer.ingress))


async def _never(_: object) -> None:
    raise AssertionError


async def test_keys_in_cc_and_bcc_bring_it_no_further(broker: Vhost, producer: Address) -> None:
    async with open_channel(producer.url) as channel:
        underlay = await channel.get_underlay_channel()
        for carbon_copy in ("CC", "BCC"):
            headers: Any = {carbon_copy: [REGISTER, "auth.commands.passwords", "diagram.delete_diagram"]}
            await publish(underlay, producer.ingress, CREATE, headers=headers)
    for _ in range(2):
        found = await eventually(lambda: take(broker, "diagram.commands.producers"))
        assert found is not None
        assert found.routing_key == CREATE
    for queue in ("auth.commands.passwords", "auth.commands.producers", "diagram.commands"):
        assert await take(broker, queue) is None
    # The other way round the ingress would let it pass, and the copy of BCC cannot be seen by whoever takes it.
    for carbon_copy in ("CC", "BCC"):
        headers = {carbon_copy: [CREATE]}
        assert await is_refused(producer.url, publishes(producer.ingress, REGISTER, headers=headers))


async def test_it_has_so_many_connections_and_channels_and_no_more(producer: Address) -> None:
    connections = [await aio_pika.connect(producer.url) for _ in range(4)]
    try:
        with pytest.raises(aiormq.exceptions.AMQPError):
            await aio_pika.connect(producer.url)
        assert await has_no_channel_more(connections[0], 5)
    finally:
        for connection in connections:
            await connection.close()


async def has_no_channel_more(connection: aio_pika.abc.AbstractConnection, count: int) -> bool:
    try:
        for _ in range(count):
            await connection.channel()
    except (aiormq.exceptions.AMQPError, RuntimeError, asyncio.CancelledError):
        return True
    return False


async def by_an_exchange_of_its_own(channel: AbstractChannel, user: str) -> str:
    await channel.exchange_declare(f"reply.{user}.x", exchange_type="direct")
    await channel.exchange_bind("autograph.commands", f"reply.{user}.x", routing_key=REGISTER)
    return f"reply.{user}.x"


async def by_an_alternate_exchange(channel: AbstractChannel, user: str) -> str:
    await channel.exchange_declare(
        f"reply.{user}.y", exchange_type="direct", arguments={"alternate-exchange": "autograph.commands"}
    )
    return f"reply.{user}.y"


async def by_dead_letters(channel: AbstractChannel, user: str) -> str:
    await channel.queue_declare(
        f"reply.{user}.z",
        arguments={"x-dead-letter-exchange": "autograph.commands", "x-message-ttl": 0},
    )
    await channel.exchange_declare(f"reply.{user}.w", exchange_type="fanout")
    await channel.queue_bind(f"reply.{user}.z", f"reply.{user}.w")
    return f"reply.{user}.w"


ESCAPES = [by_an_exchange_of_its_own, by_an_alternate_exchange, by_dead_letters]


@pytest.mark.parametrize("escape", ESCAPES)
async def test_no_worker_believes_what_came_by_a_detour(broker: Vhost, old_producer: Address, escape: Escape) -> None:
    """Also of a producer whose rights still are those of 0.1, and which gets round them on the broker."""
    taken: list[Delivery] = []

    async def deliver(delivery: Delivery) -> None:
        taken.append(delivery)

    async def is_taken() -> bool:
        return bool(taken)

    async with open_consumers(broker, "auth", {"auth.commands.passwords": 1}, deliver):
        async with open_channel(old_producer.url) as channel:
            underlay = await channel.get_underlay_channel()
            exchange = await escape(underlay, old_producer.user)
            body = old_producer.envelope(RegisterUser.wire_name)
            await publish(underlay, exchange, REGISTER, body, user_id=old_producer.user)
        assert await eventually(is_taken)  # the broker itself lets it pass
    with pytest.raises(Unreadable) as refused:
        read(taken[0], "auth", HANDLERS)
    assert refused.value.reason == "untrusted"
    assert "exchange" in refused.value.detail or "dead letters" in refused.value.detail


async def test_what_an_old_producer_publishes_straight_is_still_believed(broker: Vhost, old_producer: Address) -> None:
    """Before the migration it was accepted: it must not be lost by it."""
    async with open_channel(old_producer.url) as channel:
        body = old_producer.envelope(CreateDiagram.wire_name)
        underlay = await channel.get_underlay_channel()
        await publish(underlay, "autograph.commands", CREATE, body, user_id=old_producer.user)
    taken: list[Delivery] = []

    async def deliver(delivery: Delivery) -> None:
        taken.append(delivery)

    async with open_consumers(broker, "diagram", {"diagram.commands": 1}, deliver):

        async def is_taken() -> bool:
            return bool(taken)

        await eventually(is_taken)
    assert read(taken[0], "diagram", HANDLERS).sender == old_producer.user


async def test_migrating_takes_the_wide_rights_of_an_old_producer_away_also_on_open_channels(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost, producers(vhost, "moved"):
        old = await add_producer_of_0_1(vhost, "moved", CREATE)
        connection = await aio_pika.connect(old.url)
        channel = await (await connection.channel()).get_underlay_channel()
        await publish(channel, "autograph.commands", CREATE)  # a channel remembers that it may

        (moved,) = await apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET)

        assert isinstance(moved, Producer)
        assert (moved.name, moved.allowed) == ("moved", (CREATE,))
        assert channel.is_closed
        await connection.close()
        for escape in ESCAPES:
            assert await is_refused(old.url, escapes(escape, old.user))
        assert await is_refused(old.url, publishes("autograph.commands", CREATE))
        assert not await is_refused(old.url, publishes(old.ingress, CREATE))
        assert await is_refused(old.url, publishes(old.ingress, REGISTER))
        assert not await is_refused(old.url, lambda channel: channel.basic_get("reply.producer-moved.1"))
        assert await apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET) == []
