"""More and fewer processes of a service, while the stack serves."""

import asyncio
import signal
from pathlib import Path

import pytest

from compose.local.process import Identity
from tests.system.client import somebody
from tests.system.stack import Stack, gone


@pytest.mark.slow("starts a stack twice, and scales it three times")
async def test_a_running_stack_gets_another_worker_and_lets_it_go_without_losing_a_request(another: Stack) -> None:
    another.up()
    await another.ready()
    refused = await another.run("scale", "diagrams=2")
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)

    more = await another.run("scale", "diagram=2", "gateway=2")

    assert more.returncode == 0, more.stderr
    rows = await another.status()
    assert {rows[name]["state"] for name in ("diagram", "diagram-2", "gateway", "gateway-2", "auth")} == {"running"}
    assert rows["gateway-2"]["url"] != rows["gateway"]["url"]
    surplus = [found for name in ("diagram-2", "gateway-2") if (found := Identity.of(rows[name]["pid"]))]
    stays = Identity.of(rows["diagram"]["pid"])

    async with somebody(rows["gateway"]["url"]) as person:
        enough = asyncio.Event()

        async def create_all_the_time() -> list[int]:
            statuses = []
            while not enough.is_set():
                statuses.append((await person.create("Meanwhile")).status)
            return statuses

        creating = [asyncio.create_task(create_all_the_time()) for _ in range(4)]
        fewer = await another.run("scale", "diagram=1", "gateway=1")
        enough.set()
        statuses = [status for some in await asyncio.gather(*creating) for status in some]

    assert fewer.returncode == 0, fewer.stderr
    assert statuses
    assert set(statuses) == {201}
    await gone(surplus)
    assert stays is not None
    assert stays.alive()
    assert not {"diagram-2", "gateway-2"} & (await another.status()).keys()
    assert another.process.poll() is None

    assert (await another.run("scale", "auth=2")).returncode == 0
    assert await another.end(signal.SIGTERM) == 0
    another.up()
    await another.ready()
    assert (await another.status())["auth-2"]["state"] == "running"  # the numbers are kept
    assert await another.end(signal.SIGTERM) == 0


async def test_what_does_not_run_cannot_be_scaled_and_is_told_so(another: Stack, tmp_path: Path) -> None:
    refused = await another.run("scale", "diagram=2", AUTOGRAPH_HOME=str(tmp_path))

    assert refused.returncode == 1
    assert "No stack runs in" in refused.stderr
    assert "Traceback" not in refused.stderr
