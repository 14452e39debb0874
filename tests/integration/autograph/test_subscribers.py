"""A program outside that takes events: what it is sent, what its address is good for, and whom it can delay."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import aiormq
import pytest
from aiormq.abc import AbstractChannel
from typer.testing import CliRunner

from autograph.broker import Broker, open_broker
from autograph.doctor.foreign_resources import find_foreign_resources
from autograph.doctor.rabbitmq import full_queue
from autograph.installation import Installation
from autograph.subscriber import _add, _list, _remove, app, matches
from autograph.subscribers import restore_subscribers
from chassis.bus.headers import subscriber_user
from chassis.bus.ports import Delivery
from compose.local.stack import Servers
from tests.brokers import limit_queue, open_channel, prepared_vhost
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.autograph.producers import is_refused, permit, publish
from tests.integration.chassis.bus.broker_scene import a_letter, open_consumers, open_publisher
from tests.servers import Vhost

CREATED, CHANGED = "diagram.diagram_created", "diagram.diagram_changed"
REGISTERED = "auth.user_registered"  # which the auth worker hears


@pytest.fixture(scope="module")
async def broker(servers: Servers) -> AsyncIterator[Vhost]:
    async with prepared_vhost(servers) as vhost:
        yield vhost


@pytest.fixture
def installation(servers: Servers, broker: Vhost) -> Installation:
    return Installation(replace(servers, rabbitmq_url=broker.url), INSTALLATION_SECRET)


@pytest.fixture
async def name(installation: Installation) -> AsyncIterator[str]:
    name = f"test-{uuid4().hex[:8]}"
    yield name
    await _remove(installation, name)


@asynccontextmanager
async def opened(vhost: Vhost) -> AsyncIterator[Broker]:
    async with open_broker(vhost.url, vhost.management_url) as broker:
        yield broker


async def announce(vhost: Vhost, *events: str, body: bytes = b"{}") -> None:
    for service in {event.partition(".")[0] for event in events}:
        async with open_publisher(vhost, service) as publisher:
            for event in events:
                if event.startswith(f"{service}."):
                    await publisher.publish(a_letter(event, body, exchange="autograph.events", mandatory=False))


async def taken(address: str, name: str) -> list[str]:
    """The routing keys of all that waits, which is acknowledged."""
    keys = []
    async with open_channel(address) as channel:
        queue = await channel.get_queue(f"autograph.subscribers.{name}")
        while (message := await queue.get(fail=False)) is not None:
            keys.append(message.routing_key or "")
            await message.ack()
    return keys


async def test_it_is_sent_what_it_subscribed_to_and_nothing_else(
    broker: Vhost, installation: Installation, name: str
) -> None:
    address = await _add(installation, name, ["diagram.*"], rotate=False)

    await announce(broker, CREATED, CHANGED, REGISTERED)

    assert await taken(address, name) == [CREATED, CHANGED]
    assert await taken(address, name) == []


async def test_two_subscribers_each_get_every_event(broker: Vhost, installation: Installation, name: str) -> None:
    other = f"{name}-2"
    addresses = {one: await _add(installation, one, [CREATED], rotate=False) for one in (name, other)}
    try:
        await announce(broker, CREATED, CREATED)

        assert await taken(addresses[name], name) == await taken(addresses[other], other) == [CREATED] * 2
    finally:
        await _remove(installation, other)


def refused_acts(name: str) -> dict[str, Callable[[AbstractChannel], Awaitable[object]]]:
    own = f"autograph.subscribers.{name}"
    acts: dict[str, Callable[[AbstractChannel], Awaitable[object]]] = {
        f"publishes to {exchange or 'the default exchange'}": lambda channel, exchange=exchange: publish(  # type: ignore[misc]
            channel, exchange, own if exchange == "" else CREATED
        )
        for exchange in ("", "autograph.events", "autograph.commands", "autograph.retry", "amq.topic", "amq.fanout")
    }
    for queue in ("auth.events", "diagram.commands", "auth.parked", "autograph.subscribers.other"):
        acts[f"takes from {queue}"] = lambda channel, queue=queue: channel.basic_get(queue)  # type: ignore[misc]
        acts[f"empties {queue}"] = lambda channel, queue=queue: channel.queue_purge(queue)  # type: ignore[misc]
        acts[f"deletes {queue}"] = lambda channel, queue=queue: channel.queue_delete(queue)  # type: ignore[misc]
    for source in ("autograph.events", "autograph.commands", "autograph.replies", "amq.topic"):
        acts[f"binds to {source}"] = lambda channel, source=source: channel.queue_bind(own, source, routing_key="#")  # type: ignore[misc]
    return acts | {
        "binds exchanges": lambda channel: channel.exchange_bind("amq.topic", "autograph.events", routing_key="#"),
        "unbinds": lambda channel: channel.queue_unbind(own, "autograph.events", routing_key=CREATED),
        "deletes its own queue": lambda channel: channel.queue_delete(own),
        "makes a queue": lambda channel: channel.queue_declare("", exclusive=True),
        "makes an exchange": lambda channel: channel.exchange_declare("autograph.subscribers.x"),
    }


async def test_it_publishes_binds_makes_and_reads_nothing_else(installation: Installation, name: str) -> None:
    other = f"{name}-2"
    address = await _add(installation, name, [CREATED], rotate=False)
    await _add(installation, other, ["#"], rotate=False)
    try:
        for what, act in refused_acts(name).items():
            assert await is_refused(address, act), what
        assert await is_refused(address, lambda channel: channel.basic_get(f"autograph.subscribers.{other}"))
        assert not await is_refused(address, lambda channel: channel.basic_get(f"autograph.subscribers.{name}"))
    finally:
        await _remove(installation, other)


async def test_a_full_one_loses_its_own_oldest_is_named_and_delays_nobody(
    broker: Vhost, installation: Installation, name: str
) -> None:
    """With our own policy but for the number, that the broker may be asked for it."""
    address = await _add(installation, name, [REGISTERED], rotate=False)
    queue, kept, announced = f"autograph.subscribers.{name}", 5, 40
    heard: list[bytes] = []

    async def deliver(delivery: Delivery) -> None:
        heard.append(delivery.body)

    async with opened(broker) as found:
        ours = await found.get("policies", broker.name, "autograph-subscribers")
        body = {"pattern": f"^{queue}$", "apply-to": "queues", "priority": 10,
                "definition": ours["definition"] | {"max-length": kept}}  # fmt: skip
        await found.put("policies", broker.name, f"test-{name}", body=body)
        await found.delete("queues", broker.name, "auth.events", "contents")
        try:
            async with (
                open_consumers(broker, "auth", {"auth.events": 16}, deliver),
                open_publisher(broker, "auth") as publisher,
            ):
                for number in range(announced):  # none is refused
                    await publisher.publish(a_letter(REGISTERED, b"%d" % number, exchange="autograph.events"))

                async def all_heard() -> bool:
                    return len(heard) == announced

                await eventually(all_heard)
            assert sorted(map(int, heard)) == list(range(announced))  # the other subscriber: each of them, once

            async def is_named() -> list[str]:
                row = await found.get("queues", broker.name, queue)
                return [finding.what for finding in full_queue(row) if finding.what.endswith(" so far)")]

            [what] = await eventually(is_named, within_seconds=20)
            assert f"subscriber {name} is full: {kept} events wait" in what
            assert f"({announced - kept} so far)" in what
            async with open_channel(address) as channel:
                waiting = await channel.get_queue(queue)
                bodies = [int((await waiting.get(no_ack=True)).body) for _ in range(kept)]
            assert bodies == list(range(announced - kept, announced))
        finally:
            await found.delete("policies", broker.name, f"test-{name}")


async def test_a_worker_of_ours_that_is_stopped_keeps_every_event_and_refuses_none(servers: Servers) -> None:
    """As many as filled a queue before, at a hundredth of the size: the policy has no number to be reached."""
    async with prepared_vhost(servers) as vhost, opened(vhost) as broker:
        async with open_publisher(vhost, "auth") as publisher:
            outgoing = a_letter(REGISTERED, exchange="autograph.events")
            for _ in range(10):
                await asyncio.gather(*(publisher.publish(outgoing) for _ in range(1_000)))

        async def effective() -> dict[str, object]:
            row = await broker.get("queues", vhost.name, "auth.events")
            found: dict[str, object] = row.get("effective_policy_definition") or {}
            return found

        definition = await eventually(effective)
        assert definition["dead-letter-strategy"] == "at-least-once"
        assert not {"max-length", "max-length-bytes"} & definition.keys()
        async with open_channel(vhost.url) as channel:
            queue = await channel.declare_queue("auth.events", passive=True)
            assert queue.declaration_result.message_count == 10_000


async def test_a_queue_that_refuses_events_has_them_refused_to_the_publisher(broker: Vhost) -> None:
    """Why none of ours may: the others have got it, and get it again with each try."""
    async with opened(broker) as found:
        await limit_queue(broker, "auth.events", 1)
        try:
            refused = 0
            async with open_publisher(broker, "auth") as publisher:
                for _ in range(10):
                    try:
                        await publisher.publish(a_letter(REGISTERED, exchange="autograph.events"))
                    except Exception:  # noqa: BLE001 - counted
                        refused += 1
            assert refused >= 5
        finally:
            await found.delete("policies", broker.name, "test-auth.events")
            await found.delete("queues", broker.name, "auth.events", "contents")


async def test_a_name_is_given_once_and_rotating_keeps_what_waits(
    broker: Vhost, installation: Installation, name: str
) -> None:
    first = await _add(installation, name, [CREATED], rotate=False)
    with pytest.raises(SystemExit):
        await _add(installation, name, [CHANGED], rotate=False)
    await announce(broker, CREATED)

    second = await _add(installation, name, [CHANGED], rotate=True)

    with pytest.raises(aiormq.exceptions.AMQPConnectionError):
        await taken(first, name)
    await announce(broker, CREATED, CHANGED)
    assert await taken(second, name) == [CREATED, CHANGED]


async def test_the_list_says_what_each_is_sent_and_how_much_waits(
    broker: Vhost, installation: Installation, name: str
) -> None:
    await _add(installation, name, [CHANGED, CREATED], rotate=False)
    await announce(broker, CREATED)

    async def row_with_one_waiting() -> dict[str, object] | None:
        return next((row for row in await _list(installation) if row["name"] == name and row["waiting"]), None)

    row = await eventually(row_with_one_waiting, within_seconds=20)
    assert row == {
        "name": name, "events": [CHANGED, CREATED], "queue": f"autograph.subscribers.{name}", "waiting": 1,
        "differs": [],
    }  # fmt: skip


async def test_a_removed_one_is_cut_off_and_leaves_nothing(
    broker: Vhost, installation: Installation, name: str
) -> None:
    address = await _add(installation, name, [CREATED], rotate=False)

    assert await _remove(installation, name)

    with pytest.raises(aiormq.exceptions.AMQPConnectionError):
        await taken(address, name)
    async with opened(broker) as found:
        assert [row["name"] for row in await found.get("queues", broker.name) if name in row["name"]] == []
    assert not await _remove(installation, name)


async def test_the_doctor_takes_it_for_no_stranger(broker: Vhost, installation: Installation, name: str) -> None:
    await _add(installation, name, ["#"], rotate=False)
    async with opened(broker) as found:
        assert await find_foreign_resources(found) == []


BY_HAND: dict[str, Callable[[Broker, str], Awaitable[None]]] = {
    "may configure '.*'": lambda broker, user: permit(broker, user, configure=".*"),
    "read '.*'": lambda broker, user: permit(broker, user, read=".*"),
    "topic permissions": lambda broker, user: broker.put(
        "topic-permissions", broker.vhost, user, body={"exchange": "autograph.events", "write": ".*", "read": ".*"}
    ),
    "has the tags": lambda broker, user: broker.put("users", user, body={"password": "x", "tags": "administrator"}),
    "other limits": lambda broker, user: broker.delete("user-limits", user, "max-connections"),
    "is bound to autograph.commands, too": lambda broker, user: broker.bind(
        "autograph.commands", f"autograph.subscribers.{user.removeprefix('subscriber-')}", "#"
    ),
}


@pytest.mark.parametrize("difference", BY_HAND)
async def test_what_was_changed_by_hand_is_listed_named_by_the_doctor_and_mended_by_migrating(
    broker: Vhost, installation: Installation, name: str, difference: str
) -> None:
    await _add(installation, name, [CREATED], rotate=False)
    async with opened(broker) as found:
        await BY_HAND[difference](found, subscriber_user(name))

        async def differs() -> str:
            (row,) = (row for row in await _list(installation) if row["name"] == name)
            return "; ".join(row["differs"])

        assert difference in await eventually(differs)
        findings = [finding for finding in await find_foreign_resources(found) if finding.code == "subscriber_rights"]
        assert any(difference in finding.what for finding in findings)
        await restore_subscribers(found)
        assert await differs() == ""
        (row,) = (row for row in await _list(installation) if row["name"] == name)
        assert row["events"] == [CREATED]


@pytest.mark.parametrize("wrong", ["", "-x", "A", "a b", "a.b", "a/../b", "reports\n", "a" * 41, "[red]x", "é"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(wrong: str) -> None:
    assert CliRunner().invoke(app, ["add", "--events", CREATED, "--", wrong]).exit_code == 2


@pytest.mark.parametrize(
    "pattern", ["diagram.create_diagram", "diagram", "*", "diagram.*.x", "nothing.#", "diagram.d*"]
)
def test_a_pattern_that_no_event_fits_is_refused(pattern: str) -> None:
    assert CliRunner().invoke(app, ["add", "reports", "--events", pattern]).exit_code == 2


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        (CREATED, True), ("diagram.*", True), ("*.diagram_created", True), ("#", True), ("diagram.#", True),
        ("#.diagram_created", True), ("*.*", True), ("#.*", True), ("*", False), ("auth.*", False), ("*.*.*", False),
        ("diagram.diagram_created.#", True), ("diagram", False),
    ],
)  # fmt: skip
def test_patterns_are_read_as_the_broker_reads_them(pattern: str, fits: bool) -> None:  # noqa: FBT001 - a table's
    assert matches(pattern, CREATED) is fits
