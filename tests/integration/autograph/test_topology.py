"""What `autograph migrate` makes of a broker, and what its users may and may not do there."""

import asyncio
from collections.abc import AsyncIterator

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel

from autograph.broker import open_broker
from autograph.topology import apply_topology, check_topology
from compose.local.stack import Servers
from tests.brokers import limit_queue, open_channel, prepared_vhost, service_url
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.servers import Vhost

CREATE = "diagram.create_diagram"


@pytest.fixture(scope="module")
async def broker(servers: Servers) -> AsyncIterator[Vhost]:
    async with prepared_vhost(servers) as vhost:
        yield vhost


async def publish(
    channel: AbstractChannel, exchange: str, key: str, *, user: str | None = None, headers: dict[str, str] | None = None
) -> None:
    to = await channel.get_exchange(exchange, ensure=False)
    await to.publish(aio_pika.Message(b"{}", user_id=user, headers=dict(headers or {})), key)


async def refuses(url: str, exchange: str, key: str, *, user: str | None = None) -> None:
    with pytest.raises(aiormq.exceptions.ChannelClosed):
        async with open_channel(url) as channel:
            await publish(channel, exchange, key, user=user)


async def differences(vhost: Vhost) -> list[str]:
    return await check_topology(vhost.url, vhost.management_url)


async def test_a_broker_that_was_brought_up_to_date_differs_in_nothing(broker: Vhost) -> None:
    assert await differences(broker) == []


async def test_bringing_it_up_to_date_again_changes_nothing_and_keeps_what_is_queued(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost, open_channel(service_url(vhost, "gateway")) as channel:
        await publish(channel, "autograph.commands", CREATE)
        await apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET)
        assert await differences(vhost) == []
        async with open_channel(vhost.url) as administrator:
            queue = await administrator.declare_queue("diagram.commands", passive=True)
            assert queue.declaration_result.message_count == 1


async def test_an_event_that_is_heard_in_another_queue_now_leaves_the_old_one_and_no_other_binding_is_touched(
    servers: Servers,
) -> None:
    moved, dropped = "auth.user_registered", "diagram.diagram_created"  # the second is none of what auth hears
    async with prepared_vhost(servers) as vhost, open_broker(vhost.url, vhost.management_url) as broker:
        await broker.put("queues", vhost.name, "auth.events.old", body={"durable": True, "arguments": {}})
        await broker.bind("autograph.events", "auth.events.old", moved)
        await broker.bind("autograph.events", "auth.events.old", dropped)
        await broker.put("queues", vhost.name, "tap", body={"durable": True, "arguments": {}})
        await broker.bind("autograph.events", "tap", moved)

        await apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET)

        bound = {
            (found["destination"], found["routing_key"])
            for found in await broker.get("exchanges", vhost.name, "autograph.events", "bindings", "source")
        }
        assert ("auth.events.old", moved) not in bound
        assert {("auth.events", moved), ("auth.events.old", dropped), ("tap", moved)} <= bound


async def test_whatever_was_changed_by_hand_is_named_and_mended(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost:
        async with open_broker(vhost.url, vhost.management_url) as broker, open_channel(vhost.url) as channel:
            await channel.queue_delete("diagram.queries")
            await channel.exchange_delete("autograph.retry")
            await broker.delete("policies", vhost.name, "autograph-retry-1s")
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            await broker.put("permissions", vhost.name, "autograph-diagram", body=everything)
            await broker.delete("topic-permissions", vhost.name, "autograph-auth")
        found = await eventually(lambda: _with(vhost, "queue diagram.queries is missing, not classic"))
        assert "exchange autograph.retry is missing, not headers" in found
        assert "queue retry.1s is not bound to autograph.retry by 1s" in found
        assert "policy autograph-retry-1s is missing or differs" in found
        assert "user autograph-diagram is missing or has other permissions" in found
        assert "user autograph-auth has other topic permissions on autograph.commands" in found
        await apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET)
        assert await differences(vhost) == []


async def _with(vhost: Vhost, difference: str) -> list[str]:
    found = await differences(vhost)
    return found if difference in found else []


async def test_a_foreign_policy_that_takes_the_place_of_ours_is_named(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost:
        await limit_queue(vhost, "diagram.commands", 5)
        assert await differences(vhost) == [
            "policy test-diagram.commands may apply to diagram.commands instead of ours"
        ]


async def test_a_queue_of_another_type_is_not_replaced(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost, open_channel(vhost.url) as channel:
        await channel.queue_delete("diagram.commands")
        await channel.declare_queue("diagram.commands", durable=True)
        with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed):
            await apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET)
        assert "queue diagram.commands is classic, not quorum" in await differences(vhost)


async def test_a_copy_on_the_ladder_comes_back_to_the_queue_that_it_names(broker: Vhost) -> None:
    async with open_channel(service_url(broker, "diagram")) as channel:
        await publish(channel, "autograph.retry", "diagram.commands", headers={"rung": "1s"})
        queue = await channel.get_queue("diagram.commands", ensure=False)

        async def is_back() -> bool:
            message = await queue.get(no_ack=True, fail=False)
            return message is not None and message.headers["rung"] == "1s"

        assert not await is_back()
        assert await eventually(is_back)


async def test_what_crashes_its_consumer_for_ever_ends_in_parking(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost:
        async with open_channel(service_url(vhost, "gateway")) as gateway:
            await publish(gateway, "autograph.commands", CREATE, user="autograph-gateway")
        async with open_channel(service_url(vhost, "diagram")) as worker:
            queue = await worker.get_queue("diagram.commands", ensure=False)
            parked = await worker.get_queue("diagram.parked", ensure=False)

            async def is_parked() -> bool:
                message = await queue.get(fail=False)
                if message is not None:
                    await message.reject(requeue=True)
                found = await parked.get(no_ack=True, fail=False)
                return found is not None and found.user_id == "autograph-gateway"

            assert await eventually(is_parked, within_seconds=30)


async def test_the_gateway_announces_nothing_and_replies_to_nobody(broker: Vhost) -> None:
    url = service_url(broker, "gateway")
    for exchange, key in (
        ("autograph.events", "diagram.diagram_created"), ("autograph.replies", "reply.autograph-gateway.1"),
        ("autograph.retry", "diagram.commands"), ("autograph.parked", "diagram.x"), ("", "diagram.commands"),
    ):  # fmt: skip
        await refuses(url, exchange, key)


async def test_a_worker_sends_no_commands_and_announces_nothing_of_others(broker: Vhost) -> None:
    url = service_url(broker, "diagram")
    for exchange, key in (
        ("autograph.commands", CREATE), ("autograph.queries", "diagram.get_diagram"),
        ("autograph.events", "auth.user_registered"), ("autograph.parked", "auth.x"), ("", "diagram.commands"),
    ):  # fmt: skip
        await refuses(url, exchange, key)


async def test_no_service_can_say_to_be_another(broker: Vhost) -> None:
    await refuses(service_url(broker, "gateway"), "autograph.commands", CREATE, user="autograph-auth")


async def test_the_gateway_hears_no_replies_to_another(broker: Vhost) -> None:
    async with open_channel(service_url(broker, "gateway")) as channel:
        queue = await channel.declare_queue("reply.autograph-gateway.1", exclusive=True)
        await queue.bind("autograph.replies", queue.name)
        for key in ("reply.producer-other.1", "reply.#", "#"):
            with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
                await (await _fresh(channel)).queue_bind(queue.name, "autograph.replies", routing_key=key)
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await (await _fresh(channel)).queue_declare("reply.producer-other.2", exclusive=True)


async def _fresh(channel: AbstractChannel) -> aiormq.abc.AbstractChannel:
    """Another channel of the same connection: one that was refused something is closed."""
    underlay = await channel.get_underlay_channel()
    return await underlay.connection.channel()


@pytest.mark.parametrize(
    ("service", "queue"),
    [
        ("gateway", "diagram.commands"), ("gateway", "diagram.parked"), ("diagram", "auth.commands"),
        ("auth", "diagram.queries"), ("diagram", "retry.1s"),
    ],
)  # fmt: skip
async def test_nobody_takes_what_is_for_another(broker: Vhost, service: str, queue: str) -> None:
    async with open_channel(service_url(broker, service)) as channel:
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def test_no_service_makes_or_deletes_queues(broker: Vhost) -> None:
    for service in ("gateway", "auth", "diagram"):
        for name in ("diagram.commands", f"{service}.another"):
            async with open_channel(service_url(broker, service)) as channel:
                with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
                    await channel.declare_queue(name, durable=True)
        async with open_channel(service_url(broker, service)) as channel:
            with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
                await channel.queue_delete(f"{service}.commands")


async def test_two_at_once_bring_it_up_to_date(servers: Servers) -> None:
    async with prepared_vhost(servers) as vhost:
        await asyncio.gather(
            *(apply_topology(vhost.url, vhost.management_url, INSTALLATION_SECRET) for _ in range(2))
        )  # fmt: skip
        assert await differences(vhost) == []
