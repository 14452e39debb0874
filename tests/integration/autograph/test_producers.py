"""A producer: a broker user with its own rights, and an account that may own what it makes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import aio_pika
import aiormq
import asyncpg
import pytest

from autograph.installation import Installation
from autograph.producer import _add, _list, _remove
from chassis.bus.headers import producer_user
from compose.local.stack import Servers
from contracts.envelope import Actor, producer_id
from tests.brokers import open_channel, prepared_vhost
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET

CREATE, GET = "diagram.create_diagram", "diagram.get_diagram"


@pytest.fixture(scope="module")
async def installation(servers: Servers, admin_url: str) -> AsyncIterator[Installation]:
    async with prepared_vhost(servers) as vhost:
        yield Installation(
            replace(servers, rabbitmq_url=vhost.url, postgres_url=admin_url),
            INSTALLATION_SECRET,
            auth_secret="",
            gateway_secret="",
        )


@pytest.fixture
async def name(installation: Installation) -> AsyncIterator[str]:
    name = f"test-{uuid4().hex[:8]}"
    yield name
    await _remove(installation, name)


async def may_send(address: str, routing_key: str, *, exchange: str = "autograph.commands") -> bool:
    try:
        async with open_channel(address) as channel:
            to = await channel.get_exchange(exchange, ensure=False)
            await to.publish(aio_pika.Message(b"{}"), routing_key)
    except aiormq.exceptions.ChannelClosed:
        return False
    return True


async def test_a_producer_gets_in_by_the_address_that_it_was_given(installation: Installation, name: str) -> None:
    address, actor = await _add(installation, name, [CREATE], rotate=False)
    assert Actor.parse(actor).id == producer_id(producer_user(name))
    assert await may_send(address, CREATE)
    assert not await may_send(address, "diagram.delete_diagram")


async def test_its_account_is_there_and_nobody_can_sign_in_to_it(installation: Installation, name: str) -> None:
    await _add(installation, name, [CREATE], rotate=False)
    connection = await asyncpg.connect(installation.servers.postgres_url)
    account = await connection.fetchrow("SELECT * FROM auth.users WHERE id = $1", producer_id(producer_user(name)))
    await connection.close()
    assert account is not None
    assert (account["kind"], account["password_hash"], account["locked_at"]) == ("service", None, None)


async def test_a_name_is_given_once_and_rotated_on_request(installation: Installation, name: str) -> None:
    first, actor = await _add(installation, name, [CREATE], rotate=False)
    with pytest.raises(SystemExit):
        await _add(installation, name, [GET], rotate=False)
    assert await may_send(first, CREATE)
    second, same_actor = await _add(installation, name, [GET], rotate=True)
    assert same_actor == actor
    with pytest.raises(aiormq.exceptions.AMQPConnectionError):
        await may_send(first, CREATE)
    assert await may_send(second, GET, exchange="autograph.queries")
    assert not await may_send(second, CREATE)


async def test_the_list_says_who_may_send_what(installation: Installation, name: str) -> None:
    _, actor = await _add(installation, name, [GET, CREATE], rotate=False)
    (row,) = (row for row in await _list(installation) if row["name"] == name)
    assert (row["allowed"], row["actor"]) == ([CREATE, GET], actor)


async def test_a_removed_producer_is_cut_off_and_its_account_locked(installation: Installation, name: str) -> None:
    address, _ = await _add(installation, name, [CREATE], rotate=False)
    connection = await aio_pika.connect(address)
    assert connection.transport is not None
    underlay = connection.transport.connection
    assert await _remove(installation, name)

    async def is_cut() -> bool:
        return underlay.is_closed

    await eventually(is_cut)
    await connection.close()
    with pytest.raises(aiormq.exceptions.AMQPConnectionError):
        await may_send(address, CREATE)
    assert name not in [row["name"] for row in await _list(installation)]
    assert not await _remove(installation, name)
    await _add(installation, name, [CREATE], rotate=False)
    assert name in [row["name"] for row in await _list(installation)]
