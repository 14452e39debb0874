"""What somebody put on the broker by hand is named where it reaches what is AutoGraph's, and only there."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from autograph.broker import Broker, open_broker
from autograph.doctor.foreign_resources import find_foreign_resources
from autograph.doctor.rabbitmq import full_queue
from chassis.bus.ports import QueueFull
from compose.local.stack import Servers
from tests.brokers import limit_queue, open_channel, prepared_vhost
from tests.eventually import eventually
from tests.integration.autograph.producers import CREATE, add_producer, permit, producers
from tests.integration.chassis.bus.broker_scene import a_letter, open_publisher

DURABLE = {"durable": True, "type": "topic"}


@asynccontextmanager
async def prepared(servers: Servers) -> AsyncIterator[Broker]:
    async with prepared_vhost(servers) as vhost, producers(vhost, "known"):
        await add_producer(vhost, "known", CREATE, processes=2)
        async with open_broker(vhost.url, vhost.management_url) as broker:
            yield broker


async def found(broker: Broker) -> list[str]:
    return [f"{finding.code}: {finding.what}" for finding in await find_foreign_resources(broker)]


async def an_exchange(broker: Broker, name: str, **arguments: str) -> None:
    await broker.put("exchanges", broker.vhost, name, body={**DURABLE, "arguments": arguments})


async def a_queue(broker: Broker, name: str, **arguments: str) -> None:
    await broker.put("queues", broker.vhost, name, body={"durable": True, "arguments": arguments})


async def a_bound_exchange(broker: Broker) -> None:
    await an_exchange(broker, "evil")
    await broker.bind("evil", "autograph.commands", "#", to_exchange=True)


async def an_alternate_exchange(broker: Broker) -> None:
    await an_exchange(broker, "evil", **{"alternate-exchange": "autograph.queries"})


async def dead_letters(broker: Broker) -> None:
    await a_queue(broker, "evil", **{"x-dead-letter-exchange": "autograph.commands"})


async def a_policy(broker: Broker) -> None:
    definition = {"alternate-exchange": "autograph.commands"}
    body = {"pattern": "^evil$", "apply-to": "exchanges", "definition": definition}
    await broker.put("policies", broker.vhost, "evil", body=body)


async def a_binding_to_a_queue_of_ours(broker: Broker) -> None:
    await broker.bind("amq.topic", "diagram.commands", "evil")


async def another_key_of_ours(broker: Broker) -> None:
    await broker.bind("autograph.commands", "auth.commands", "evil")


async def a_name_like_ours(broker: Broker) -> None:
    await an_exchange(broker, "reply.producer-known.evil")


async def a_tap(broker: Broker) -> None:
    await a_queue(broker, "evil")
    await broker.bind("autograph.events", "evil", "#")


async def a_user(broker: Broker) -> None:
    await broker.make_user(f"evil-{broker.vhost}", "secret")
    await permit(broker, f"evil-{broker.vhost}", write="^autograph")


STRANGERS: dict[str, tuple[Callable[[Broker], Awaitable[None]], str]] = {
    "an exchange that is bound to ours": (a_bound_exchange, "foreign_route: evil is bound to autograph.commands"),
    "an alternate exchange": (an_alternate_exchange, "foreign_route: evil passes messages on to autograph.queries"),
    "dead letters": (dead_letters, "foreign_route: evil passes messages on to autograph.commands"),
    "a policy": (a_policy, "foreign_route: policy evil passes messages on to autograph.commands"),
    "a binding to a queue of ours": (a_binding_to_a_queue_of_ours, "foreign_route: amq.topic is bound to diagram.comm"),
    "another key of ours": (another_key_of_ours, "foreign_route: autograph.commands is bound to auth.commands"),
    "a name like ours": (a_name_like_ours, "foreign_route: exchange reply.producer-known.evil uses a name that"),
    "a copy of our events": (a_tap, "foreign_copy: autograph.events is bound to evil"),
    "a user": (a_user, "foreign_user: user evil-"),
}


async def test_somebody_elses_queue_that_refuses_events_is_named_and_keeps_none_from_ours(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost, open_broker(vhost.url, vhost.management_url) as broker:
        await a_queue(broker, "others.events")
        event = "auth.user_registered"
        await broker.bind("autograph.events", "others.events", event)
        await limit_queue(vhost, "others.events", 3)
        refused = 0
        async with open_publisher(vhost, "auth") as publisher:
            for _ in range(10):
                try:
                    await publisher.publish(a_letter(event, exchange="autograph.events"))
                except QueueFull:
                    refused += 1  # and the outbox keeps it
        assert refused >= 5
        async with open_channel(vhost.url) as channel:
            ours = await channel.declare_queue("auth.events", passive=True)
            assert ours.declaration_result.message_count == 10

        async def is_named() -> bool:
            rows = {row["name"]: full_queue(row) for row in await broker.get("queues", vhost.name)}
            return [name for name, full in rows.items() if full] == ["others.events"]

        assert await eventually(is_named, within_seconds=20)


async def test_a_broker_with_nobody_elses_has_no_strangers(servers: Servers) -> None:
    async with prepared(servers) as broker:
        assert await found(broker) == []


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_way_round_the_rights_is_named(servers: Servers, stranger: str) -> None:
    make, what = STRANGERS[stranger]
    async with prepared(servers) as broker:
        await make(broker)
        try:
            (finding,) = await eventually(lambda: found(broker))
            assert finding.startswith(what)
        finally:
            await broker.delete("users", f"evil-{broker.vhost}")
