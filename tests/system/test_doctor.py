"""The doctor names what is broken on a running stack, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from autograph.broker import Broker, open_broker
from autograph.doctor import finding
from autograph.doctor.command import examine
from autograph.installation import Installation
from chassis.database import DirectConnection
from tests.eventually import eventually
from tests.system.client import Client
from tests.system.stack import Stack


@pytest.fixture
def found(stack: Stack) -> Installation:
    return Installation(stack.servers(), secret="")


@pytest.fixture
async def administrator(found: Installation) -> AsyncIterator[DirectConnection]:
    connection = await asyncpg.connect(found.servers.postgres_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def broker_of(found: Installation) -> AsyncIterator[Broker]:
    async with open_broker(found.servers.rabbitmq_url, found.servers.rabbitmq_management_url) as broker:
        yield broker


async def codes(found: Installation) -> set[str]:
    """Without what other tests on this stack leave parked."""
    return {finding.code for finding in await examine(found)} - {"messages_parked"}


async def becomes(found: Installation, *expected: str) -> None:
    """The broker's own figures are some seconds old."""

    async def so() -> bool:
        assert await codes(found) == set(expected)
        return True

    await eventually(so, within_seconds=30)


async def test_a_running_stack_is_well(stack: Stack, found: Installation) -> None:
    await becomes(found)

    told = await stack.run("doctor", "--json")
    assert {finding["code"] for finding in json.loads(told.stdout)} <= {"messages_parked"}
    assert told.returncode == (1 if json.loads(told.stdout) else 0)


async def test_a_policy_that_was_changed_by_hand_is_named_and_migrate_mends_it(
    stack: Stack, found: Installation
) -> None:
    await becomes(found)
    async with broker_of(found) as broker:
        [policy, *_] = await broker.get("policies", broker.vhost)
        await broker.delete("policies", broker.vhost, policy["name"])
    await becomes(found, "topology_differs")

    assert (await stack.run("migrate")).returncode == 0
    await becomes(found)


async def test_a_schema_of_another_release_is_named(found: Installation, administrator: DirectConnection) -> None:
    await becomes(found)
    revision = await administrator.fetchval("SELECT version_num FROM autograph.revision")
    try:
        await administrator.execute("UPDATE autograph.revision SET version_num = '0001'")
        await becomes(found, "schema_revision")
    finally:
        await administrator.execute("UPDATE autograph.revision SET version_num = $1", revision)


async def test_events_that_nobody_publishes_are_named(found: Installation, administrator: DirectConnection) -> None:
    identity = uuid4()
    await administrator.execute(
        "INSERT INTO diagram.outbox (id, routing_key, envelope, created_at, leased_until)"
        " VALUES ($1, 'x', '{}', now() - interval '2 minutes', now() + interval '1 hour')",
        identity,
    )
    try:
        await becomes(found, "outbox_stuck")
    finally:
        await administrator.execute("DELETE FROM diagram.outbox WHERE id = $1", identity)


async def test_a_version_whose_object_is_gone_is_named(
    person: Client, found: Installation, administrator: DirectConnection
) -> None:
    made = await person.ask("POST", "/api/diagrams", {"title": "Plan", "type": "note", "note_content": "x"})
    identity = made.body["id"]
    await administrator.execute(
        "UPDATE diagram.versions SET note_content = NULL, object_key = 'gone', content_sha256 = repeat('0', 64)"
        " WHERE file_id = $1",
        identity,
    )
    try:
        await becomes(found, "objects_missing")
    finally:
        await administrator.execute("DELETE FROM diagram.files WHERE id = $1", identity)


@pytest.mark.usefixtures("person")  # who registered, which is an entry
async def test_an_audit_log_that_was_changed_is_named(found: Installation, administrator: DirectConnection) -> None:
    async def is_kept() -> bool:
        return bool(await administrator.fetchval("SELECT count(*) FROM auth.audit_log"))

    await eventually(is_kept)
    change = "UPDATE auth.audit_log SET action = $2 WHERE position = $1"
    [(position, action)] = await administrator.fetch(
        "SELECT position, action FROM auth.audit_log ORDER BY position LIMIT 1"
    )
    await administrator.execute("ALTER TABLE auth.audit_log DISABLE TRIGGER append_only")
    try:
        await administrator.execute(change, position, "something.else")
        await becomes(found, "audit_chain_broken")
    finally:
        await administrator.execute(change, position, action)
        await administrator.execute("ALTER TABLE auth.audit_log ENABLE TRIGGER append_only")


async def test_an_audit_log_that_takes_long_to_check_is_no_server_that_is_away(
    found: Installation, administrator: DirectConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await becomes(found)
    monkeypatch.setattr(finding, "CHECK_SECONDS", 1.0)  # for any other answer of PostgreSQL's
    checked = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        " AND query LIKE '%audit_log_broken_at%' AND clock_timestamp() - query_start > interval '1.5 s'"
    )

    async def takes_long() -> bool:
        return bool(await administrator.fetchval(checked))

    async with finding.connected(found.servers.postgres_url) as other, other.transaction():
        await other.execute("LOCK TABLE auth.audit_log IN ACCESS EXCLUSIVE MODE")
        looking = asyncio.create_task(codes(found))
        await eventually(takes_long)
    assert await looking == set()


@pytest.mark.parametrize("server", ["postgres", "rabbitmq", "redis", "s3"])
async def test_a_server_that_is_away_is_one_finding_and_the_others_are_looked_at(
    found: Installation, server: str
) -> None:
    nowhere = "127.0.0.1:1"
    servers = {
        "postgres": replace(found.servers, postgres_url=f"postgresql://x:y@{nowhere}/z"),
        "rabbitmq": replace(found.servers, rabbitmq_management_url=f"http://x:y@{nowhere}"),
        "redis": replace(found.servers, redis_url=f"redis://{nowhere}/0"),
        "s3": replace(found.servers, s3=replace(found.servers.s3, url=f"http://{nowhere}")),
    }[server]

    # What the object store has is held against what the database says: without that it cannot be judged either.
    unknown = {"s3_unreachable"} if server == "postgres" else set()
    assert await codes(replace(found, servers=servers)) == {f"{server}_unreachable"} | unknown


async def test_a_store_that_refuses_the_administrator_is_one_finding(found: Installation) -> None:
    account = replace(found.servers.s3, secret_key="somebody else's")
    assert await codes(replace(found, servers=replace(found.servers, s3=account))) == {"s3_unreachable"}


async def test_a_broker_whose_queues_cannot_be_entered_is_one_finding(found: Installation) -> None:
    """The management API still answers."""
    address = found.servers.rabbitmq_url.rpartition("@")[2]
    servers = replace(found.servers, rabbitmq_url=f"amqp://nobody:wrong@{address}")
    assert await codes(replace(found, servers=servers)) == {"rabbitmq_unreachable"}
