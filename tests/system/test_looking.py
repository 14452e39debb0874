"""What the commands that only look say of a running stack."""

import json
import unicodedata
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from chassis.database import DirectConnection
from tests.eventually import eventually
from tests.system.client import Client, client
from tests.system.stack import Stack


@pytest.fixture
async def administrator(stack: Stack) -> AsyncIterator[DirectConnection]:
    connection = await asyncpg.connect(stack.servers().postgres_url)
    yield connection
    await connection.close()


async def told(stack: Stack, *words: str) -> list[dict[str, Any]]:
    done = await stack.run(*words, "--json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


async def test_every_queue_is_listed_with_who_takes_from_it(stack: Stack) -> None:
    async def so() -> bool:  # the broker's figures are some seconds old
        rows = {row["queue"]: row for row in await told(stack, "queues")}
        commands = rows["diagram.commands"]
        assert (commands["type"], commands["state"]) == ("quorum", "running")
        assert commands["consumers"] >= 1
        assert rows["diagram.parked"]["consumers"] == 0
        assert {"auth.commands", "auth.queries", "diagram.queries"} <= rows.keys()
        return True

    await eventually(so, within_seconds=30)


async def test_an_event_that_waits_is_listed_with_its_age(stack: Stack, administrator: DirectConnection) -> None:
    identity, event = uuid4(), f"test.{uuid4().hex}"
    await administrator.execute(
        "INSERT INTO diagram.outbox (id, routing_key, envelope, created_at, leased_until, attempts)"
        " VALUES ($1, $2, '{}', now() - interval '2 minutes', now() + interval '1 hour', 3)",
        identity,
        event,
    )
    try:
        [row] = [row for row in await told(stack, "outbox") if row["event"] == event]
        assert (row["worker"], row["waiting"], row["leased"], row["attempts"]) == ("diagram", 1, 1, 3)
        assert 120 <= row["oldest_seconds"] < 1000
    finally:
        await administrator.execute("DELETE FROM diagram.outbox WHERE id = $1", identity)


async def test_sessions_are_listed_until_they_end(stack: Stack, person: Client) -> None:
    me = (await person.ask("GET", "/api/auth/me")).body
    [row] = await told(stack, "sessions", "--user", me["email"].upper())
    assert row["user"] == me["email"]
    assert await told(stack, "sessions", "--user", me["id"]) == [row]
    assert len(await told(stack, "sessions", "--limit", "1")) == 1

    assert (await person.ask("POST", "/api/auth/logout")).status < 300
    assert await told(stack, "sessions", "--user", me["email"]) == []


async def test_sessions_are_found_by_an_address_in_any_form_in_which_it_signs_in(stack: Stack, gateway: str) -> None:
    async with client(gateway) as person:
        person.email = f"andr\N{LATIN SMALL LETTER E WITH ACUTE}-stra\N{LATIN SMALL LETTER SHARP S}e-{person.email}"
        assert (await person.register()).status == 201
        await person.sign_in()
        for written in (person.email, person.email.upper(), unicodedata.normalize("NFD", person.email)):
            [row] = await told(stack, "sessions", "--user", written)
            assert row["user"] == person.email


async def test_buckets_are_listed_with_what_is_in_them(stack: Stack) -> None:
    rows = {row["bucket"]: row for row in await told(stack, "buckets")}
    assert set(rows) == {"diagrams", "uploads", "exports"}
    for row in rows.values():
        assert row["state"] == "there"
        assert (row["newest"] is None) == (row["objects"] == 0)
