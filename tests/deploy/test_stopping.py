"""The stack is stopped while people write: what was acknowledged is there afterwards, once."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp
import pytest

from tests.deploy.client import diagram, signed_in, titles
from tests.deploy.stack import Containers
from tests.eventually import eventually
from tests.manifests.compose_files import SERVICES

pytestmark = pytest.mark.deploy
WRITERS = 6
WRITES = 90  # below what one person may send in a minute
UNDER_WAY = 12  # acknowledged writes before the stop begins


@dataclass(slots=True)
class Writer:
    email: str
    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)  # sent, and nobody said what became of them

    async def write(self, client: aiohttp.ClientSession) -> None:
        for number in range(WRITES):
            title = f"{self.email} {number}"
            try:
                async with client.post("/api/diagrams", json=diagram(title)):
                    self.acknowledged.add(title)  # done, or accepted
            except (aiohttp.ClientError, TimeoutError):
                self.unknown.add(title)
                return


async def test_a_stop_under_writes_loses_nothing_that_was_acknowledged_and_does_nothing_twice(
    containers: Containers,
) -> None:
    writers = [Writer(f"writer{number}@stopping.example.org") for number in range(WRITERS)]

    async def under_way() -> bool:
        return sum(len(writer.acknowledged) for writer in writers) >= UNDER_WAY

    async with AsyncExitStack() as sessions:
        clients = [
            await sessions.enter_async_context(signed_in(containers.address(), writer.email, register=True))
            for writer in writers
        ]
        writing = asyncio.gather(*(writer.write(client) for writer, client in zip(writers, clients, strict=True)))
        await eventually(under_way, within_seconds=60)
        try:
            await asyncio.to_thread(containers.compose, "stop")
            await writing
            codes = {service: containers.inspect(service)["State"]["ExitCode"] for service in SERVICES}
            containers.compose("down")
        finally:
            containers.up()

    assert codes == dict.fromkeys(SERVICES, 0)  # each finished what it had in hand, and closed
    assert any(writer.unknown for writer in writers), "nobody was writing any more when it stopped"
    for writer in writers:
        async with signed_in(containers.address(), writer.email) as client:

            async def all_there(writer: Writer = writer, client: aiohttp.ClientSession = client) -> Counter[str]:
                found = await titles(client)
                assert writer.acknowledged <= set(found)
                return found

            # What was only accepted is carried out when its worker is back.
            found = await eventually(all_there, within_seconds=60)
            assert set(found) <= writer.acknowledged | writer.unknown
            assert set(found.values()) <= {1}
