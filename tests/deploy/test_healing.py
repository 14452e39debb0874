"""A process that is killed comes back by itself, and with it what was acknowledged."""

import json
import subprocess
from pathlib import Path

import aiohttp
import pytest

from tests.deploy.client import carried_out, diagram, signed_in, titles
from tests.deploy.stack import Containers
from tests.eventually import eventually

pytestmark = pytest.mark.deploy
HEALED_SECONDS = 180.0


async def test_a_worker_that_takes_too_long_to_start_keeps_nothing_else_from_starting(
    containers: Containers, tmp_path: Path
) -> None:
    """As on a machine that is too busy. Compose gives up on it, and nobody would start later what waits for it."""
    never = {"test": ["CMD", "false"], "interval": "1s", "start_period": "1s", "retries": 1}
    file = tmp_path / "slow.json"
    file.write_text(json.dumps({"services": {"auth": {"healthcheck": never}}}), encoding="utf-8")
    slow = Containers(containers.project, (*containers.files, str(file)))
    try:
        with pytest.raises(subprocess.CalledProcessError):
            slow.up("--force-recreate", "auth", "gateway")
        assert slow.inspect("auth")["State"]["Health"]["Status"] == "unhealthy"

        async def runs() -> bool:
            return bool(slow.inspect("gateway")["State"]["Health"]["Status"] == "healthy")

        assert slow.inspect("gateway")["State"]["Status"] == "running"
        await eventually(runs, within_seconds=HEALED_SECONDS)
    finally:
        containers.up()


@pytest.mark.parametrize("service", ["gateway", "diagram", "rabbitmq", "postgres"])
async def test_a_killed_process_is_started_again_and_what_was_acknowledged_is_there(
    service: str, containers: Containers
) -> None:
    email = f"{service}@healing.example.org"
    async with signed_in(containers.address(), email, register=True) as client:
        await carried_out(client, "/api/diagrams", diagram("acknowledged"))
        in_time = {"Prefer": "respond-async"}
        async with client.post("/api/diagrams", json=diagram("accepted"), headers=in_time) as accepted:
            assert accepted.status == 202
    before = containers.inspect(service)

    containers.kill(service)

    async def healed() -> bool:
        after = containers.inspect(service)
        again = after["RestartCount"] > before["RestartCount"] and after["Id"] == before["Id"]
        return bool(again and after["State"]["Health"]["Status"] == "healthy")

    await eventually(healed, within_seconds=HEALED_SECONDS)

    async def serves() -> bool:
        try:
            async with signed_in(containers.address(), email) as client:
                await client.post("/api/diagrams", json=diagram("after"), headers={"Idempotency-Key": "after"})
                found = dict(await titles(client))
        except (aiohttp.ClientError, TimeoutError):
            return False
        return found == {"acknowledged": 1, "accepted": 1, "after": 1}

    await eventually(serves, within_seconds=HEALED_SECONDS)
