"""A program outside that takes events, as its author runs it."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from autograph.broker import open_broker
from tests.eventually import eventually
from tests.servers import REPOSITORY
from tests.system.client import Client
from tests.system.stack import Stack

USER = "subscriber-search"


@pytest.fixture
async def address(stack: Stack) -> AsyncIterator[str]:
    """That `autograph subscriber add` printed."""
    added = await stack.run("subscriber", "add", "search", "--events", "diagram.*")
    assert added.returncode == 0, added.stderr
    yield dict(line.split(maxsplit=1) for line in added.stdout.splitlines())["address"]
    assert (await stack.run("subscriber", "remove", "search")).returncode == 0


@asynccontextmanager
async def running(address: str) -> AsyncIterator[Process]:
    """The example program."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "examples/subscriber.py", address, cwd=REPOSITORY, stdout=PIPE, stderr=PIPE
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()


async def heard(program: Process) -> dict[str, Any]:
    assert program.stdout is not None
    async with asyncio.timeout(30):
        line = await program.stdout.readline()
    event: dict[str, Any] = json.loads(line)
    return event


async def test_the_example_program_prints_what_happens_also_while_it_was_away_and_after_its_connection_was_lost(
    stack: Stack, person: Client, address: str
) -> None:
    async with running(address) as program:
        first = (await person.create()).body["id"]
        event = await heard(program)
        assert (event["type"], event["subject"]) == ("autograph.diagram.diagram_created.v1", f"diagram/{first}")

        servers = stack.servers()
        async with open_broker(servers.rabbitmq_url, servers.rabbitmq_management_url) as broker:

            async def closed() -> int:
                names = [one["name"] for one in await broker.get("connections", "username", USER)]
                for name in names:
                    await broker.delete("connections", name)
                return len(names)

            assert await eventually(closed)
        second = (await person.create()).body["id"]
        assert (await heard(program))["subject"] == f"diagram/{second}"

    third = (await person.create()).body["id"]  # while nobody listens
    async with running(address) as program:
        assert (await heard(program))["subject"] == f"diagram/{third}"
