"""Workers that die of a message, on a real broker: it is given up, and those that were in hand beside it are done."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from chassis.bus import headers
from tests.brokers import open_channel, service_url
from tests.eventually import eventually
from tests.integration.chassis.bus.broker_scene import a_letter, open_publisher
from tests.servers import REPOSITORY, Vhost

KEYS = {"diagram.commands": "diagram.create_diagram", "auth.transient": "auth.refresh_tokens"}
BYSTANDERS = [f"bystander-{number}" for number in range(8)]
LARGE = 70_000  # too large to be read by somebody who suspects it


@dataclass
class Site:
    """A worker that is started again whenever it dies."""

    vhost: Vhost
    redis_url: str
    queue: str
    lines: Counter[str] = field(default_factory=Counter)
    starts: int = 0

    @property
    def service(self) -> str:
        return self.queue.partition(".")[0]

    async def run(self) -> None:
        while True:
            self.starts += 1
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.integration.chassis.bus.quarantine_program",
                service_url(self.vhost, self.service), self.redis_url, self.service, self.queue,
                cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            try:
                async for line in process.stdout:
                    if line.startswith((b"begun ", b"done ")):
                        self.lines[line.decode().strip()] += 1
                await process.wait()
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise

    async def publish(self, names: Sequence[str]) -> None:
        async with open_publisher(self.vhost, "gateway") as publisher:
            for name in names:
                await publisher.publish(a_letter(KEYS[self.queue], name.encode().ljust(LARGE), persistent=False))

    async def parked(self) -> list[tuple[str, object]]:
        """Names and reasons; they are gone then."""
        found: list[tuple[str, object]] = []
        async with open_channel(self.vhost.url) as channel:
            lot = await channel.get_queue(f"{self.service}.parked", ensure=False)
            while message := await lot.get(no_ack=True, fail=False):
                found.append((message.body.decode().strip(), message.headers[headers.PARKED_REASON]))
        return found

    def done(self) -> set[str]:
        return {line.removeprefix("done ") for line in self.lines if line.startswith("done ")}


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[None]:
    task = asyncio.create_task(site.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


@pytest.mark.parametrize("queue", KEYS)
@pytest.mark.parametrize("poison", ["kills", "blocks"])
async def test_what_kills_or_blocks_its_worker_twice_is_parked_and_what_was_in_hand_beside_it_is_done(
    broker: Vhost, redis_url: str, queue: str, poison: str
) -> None:
    site = Site(broker, redis_url, queue)
    await site.publish([*BYSTANDERS[:4], poison, *BYSTANDERS[4:]])
    async with running(site):
        parked = await eventually(site.parked, within_seconds=90)

        async def all_done() -> bool:
            return site.done() >= set(BYSTANDERS)

        await eventually(all_done, within_seconds=30)
    assert parked == [(poison, "poison")]
    assert site.lines[f"begun {poison}"] == 3  # once among others, and twice alone
    assert site.starts == (4 if poison == "kills" else 1)
    assert await site.parked() == []
