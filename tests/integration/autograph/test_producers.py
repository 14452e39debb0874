"""A producer: a broker user with its own rights, and an account that may own what it makes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import aiormq
import asyncpg
import pytest
from typer.testing import CliRunner

from autograph.broker import Broker, open_broker
from autograph.doctor.foreign_resources import find_foreign_resources
from autograph.ingress import restore_producers
from autograph.installation import Installation
from autograph.producer import _add, _list, _remove, app
from chassis.bus.headers import producer_exchange, producer_user
from compose.local.stack import Servers
from contracts.envelope import Actor, producer_id
from tests.brokers import open_channel, prepared_vhost
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.autograph.producers import permit

CREATE, GET = "diagram.create_diagram", "diagram.get_diagram"


@pytest.fixture(scope="module")
async def installation(servers: Servers, admin_url: str) -> AsyncIterator[Installation]:
    async with prepared_vhost(servers) as vhost:
        yield Installation(
            replace(servers, rabbitmq_url=vhost.url, postgres_url=admin_url),
            INSTALLATION_SECRET,
        )


@pytest.fixture
async def name(installation: Installation) -> AsyncIterator[str]:
    name = f"test-{uuid4().hex[:8]}"
    yield name
    await _remove(installation, name)


@asynccontextmanager
async def opened(installation: Installation) -> AsyncIterator[Broker]:
    servers = installation.servers
    async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:
        yield broker


async def may_send(address: str, routing_key: str) -> bool:
    try:
        async with open_channel(address) as channel:
            user = urlsplit(address).username or ""
            to = await channel.get_exchange(producer_exchange(user), ensure=False)
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
    assert await may_send(second, GET)
    assert not await may_send(second, CREATE)


async def test_the_list_says_who_may_send_what(installation: Installation, name: str) -> None:
    _, actor = await _add(installation, name, [GET, CREATE], rotate=False)
    (row,) = (row for row in await _list(installation) if row["name"] == name)
    assert (row["allowed"], row["actor"], row["differs"]) == ([CREATE, GET], actor, [])


BY_HAND: dict[str, Callable[[Broker, str], Awaitable[None]]] = {
    "may configure '.*'": lambda broker, user: permit(broker, user, configure=".*"),
    "write '.*'": lambda broker, user: permit(broker, user, write=".*"),
    "topic permissions": lambda broker, user: broker.put(
        "topic-permissions", broker.vhost, user, body={"exchange": "autograph.events", "write": ".*", "read": ".*"}
    ),
    "has the tags": lambda broker, user: broker.put("users", user, body={"password": "x", "tags": "administrator"}),
    "rights in virtual host /": lambda broker, user: broker.put(
        "permissions", "/", user, body={"configure": ".*", "write": ".*", "read": ".*"}
    ),
    "other limits": lambda broker, user: broker.delete("user-limits", user, "max-connections"),
    "not bound to just what": lambda broker, user: broker.bind(producer_exchange(user), "auth.commands", "#"),
    ".1 is missing": lambda broker, user: broker.delete("queues", broker.vhost, f"reply.{user}.1"),
}


@pytest.mark.parametrize("difference", BY_HAND)
async def test_what_was_changed_by_hand_is_listed_named_by_the_doctor_and_mended_by_migrating(
    installation: Installation, name: str, difference: str
) -> None:
    await _add(installation, name, [CREATE], rotate=False)
    async with opened(installation) as broker:
        if "virtual host" in difference:
            await broker.put("vhosts", "/", body={})
        await BY_HAND[difference](broker, producer_user(name))

        async def differs() -> str:
            (row,) = (row for row in await _list(installation) if row["name"] == name)
            return "; ".join(row["differs"])

        assert difference in await eventually(differs)
        found = [finding for finding in await find_foreign_resources(broker) if finding.code == "producer_rights"]
        assert any(difference in finding.what for finding in found)
        await restore_producers(broker)
        assert await differs() == ""


async def test_a_broker_user_without_an_account_and_an_account_without_one_are_listed(
    installation: Installation, name: str
) -> None:
    await _add(installation, name, [CREATE], rotate=False)
    async with opened(installation) as broker:
        await broker.delete("users", producer_user(name))
        (row,) = (row for row in await _list(installation) if row["name"] == name)
        assert row["differs"] == [f"there is no user {producer_user(name)} on the broker"]
        await _remove(installation, name)
        await broker.make_user(producer_user(name), "secret")
        await permit(broker, producer_user(name), read=".*")
    (row,) = (row for row in await _list(installation) if row["name"] == name)
    assert "it has no account, or a locked one" in row["differs"]


@pytest.mark.parametrize("name", ["", "-x", "A", "a b", "a.b", "a/../b", "reports\n", "a" * 41, "[red]x", "é"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(name: str) -> None:
    assert CliRunner().invoke(app, ["add", "--allow", CREATE, "--", name]).exit_code == 2


async def test_removing_one_producer_leaves_those_of_similar_names(installation: Installation, name: str) -> None:
    similar = f"{name}-2"
    await _add(installation, name, [CREATE], rotate=False)
    address, _ = await _add(installation, similar, [CREATE], rotate=False, processes=2)
    await _remove(installation, name)
    (row,) = (row for row in await _list(installation) if row["name"] == similar)
    assert (row["differs"], row["processes"]) == ([], 2)
    assert await may_send(address, CREATE)
    await _remove(installation, similar)


async def test_a_removed_producer_is_cut_off_and_its_account_locked(installation: Installation, name: str) -> None:
    address, _ = await _add(installation, name, [CREATE], rotate=False)
    connection = await aio_pika.connect(address)
    assert connection.transport is not None
    underlay = connection.transport.connection
    async with opened(installation) as broker:
        # What it once made itself, under the rights of 0.1.
        await broker.put("exchanges", broker.vhost, f"reply.{producer_user(name)}.evil", body={"type": "fanout"})
        assert await _remove(installation, name)
        left = [*await broker.get("exchanges", broker.vhost), *await broker.get("queues", broker.vhost)]
        assert [row["name"] for row in left if name in row["name"]] == []
        assert await broker.get("connections", "username", producer_user(name)) == []

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
