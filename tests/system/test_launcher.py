"""`autograph up`, `down` and `status` as whoever types them sees them."""

import asyncio
import json
import os
import re
import signal
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from compose.local.home import Home
from compose.local.process import Identity
from compose.local.servers.seaweedfs import client_of
from compose.local.stack import Servers
from tests.eventually import eventually
from tests.system.stack import Stack, gone

NOT_RUNNING = 3
SERVICES = ("gateway", "auth", "diagram")
CLOSED = "redis://:a-password@127.0.0.1:1/0"


async def test_a_second_up_in_one_home_is_refused_and_disturbs_nothing(stack: Stack) -> None:
    before = await stack.identities()

    second = await stack.run("up")

    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert "Traceback" not in second.stderr
    assert await stack.identities() == before


async def test_the_stack_that_runs_is_found_from_any_folder(stack: Stack, tmp_path: Path) -> None:
    listed = {
        row["name"]: row["pid"] for row in json.loads((await stack.run_elsewhere(tmp_path, "status", "--json")).stdout)
    }

    assert listed == {name: row["pid"] for name, row in (await stack.status()).items()}
    assert (await stack.run_elsewhere(tmp_path, "queues")).returncode == 0


async def test_tables_are_whole_at_80_columns(stack: Stack) -> None:
    rows = await stack.status()
    shown = (await stack.run("status", COLUMNS="80")).stdout
    for row in rows.values():
        for value in (row["name"], str(row["pid"]), row["where"], row["metrics_url"] or ""):
            assert value in shown
    added = await stack.run("producer", "add", "wide", "--allow", "diagram.create_diagram")
    listed = (await stack.run("producer", "list", COLUMNS="80")).stdout
    assert (await stack.run("producer", "remove", "wide")).returncode == 0
    assert dict(line.split(maxsplit=1) for line in added.stdout.splitlines())["actor"] in listed
    assert "…" not in shown + listed


@pytest.mark.slow("starts and stops a stack twice")
async def test_a_later_up_finds_what_the_last_one_left_and_its_services_start_while_the_broker_boots(
    another: Stack,
) -> None:
    another.up()
    await another.ready()
    before = await another.status()
    await leave_something(another.servers())
    started = await another.identities()
    bystander = await asyncio.create_subprocess_exec("sleep", "600")

    assert await another.end(signal.SIGTERM) == 0
    await gone(started)
    assert bystander.returncode is None
    bystander.terminate()
    await bystander.wait()

    another.up()
    broker = await eventually(lambda: _pid(another, "rabbitmq"), within_seconds=30)
    os.kill(broker, signal.SIGSTOP)
    try:
        await eventually(lambda: _all_started(another), within_seconds=30)
    finally:
        os.kill(broker, signal.SIGCONT)
    await another.ready()

    assert await find_what_was_left(another.servers())
    after = await another.status()
    # The services' usual ports may by now be another stack's; the servers' are their own.
    for server in ("postgres", "redis", "rabbitmq", "s3"):
        assert after[server]["where"] == before[server]["where"]
    assert await another.end(signal.SIGHUP) == 0


@pytest.mark.slow("starts a second stack, kills it, and clears up")
async def test_down_stops_what_a_killed_up_left_and_nothing_of_the_stack_beside_it(
    stack: Stack, another: Stack
) -> None:
    shared = urlsplit(stack.servers().redis_url)._replace(path="/5").geturl()  # a server of the user's own
    another.up(AUTOGRAPH_REDIS_URL=shared)
    await another.ready()
    beside = await stack.identities()
    told = await another.run("status", "--json", AUTOGRAPH_REDIS_URL=shared)
    assert '"given"' in told.stdout
    assert "redis" not in await another.status()  # none of ours
    assert not set(_addresses(await another.status())) & set(_addresses(await stack.status()))
    left = [found for found in await another.identities() if found.pid != another.process.pid]

    await another.end(signal.SIGKILL)
    assert all(identity.alive() for identity in left)
    down = await another.run("down")

    assert down.returncode == 0
    assert "rabbitmq" in down.stdout
    await gone(left)
    assert (await another.run("status")).returncode == NOT_RUNNING
    assert all(identity.alive() for identity in beside)


@pytest.mark.slow("starts a stack twice, and kills it once")
async def test_up_clears_away_what_a_killed_one_left_and_down_stops_an_up_that_runs(another: Stack) -> None:
    another.up()
    await another.ready()
    left = [found for found in await another.identities() if found.pid != another.process.pid]
    await another.end(signal.SIGKILL)

    another.up()
    await another.ready()
    await gone(left)
    started = await another.identities()
    assert (await another.run("down")).returncode == 0

    assert await another.end(None) == 0
    await gone(started)


async def test_an_impatient_ctrl_c_while_it_starts_leaves_nothing_running(another: Stack) -> None:
    another.up()

    async def has_begun() -> bool:
        return "postgres   running" in another.output

    await eventually(has_begun, within_seconds=30)
    started = await another.identities()
    another.process.send_signal(signal.SIGINT)

    async def stops() -> bool:
        return "stopping" in another.output

    await eventually(stops, within_seconds=30)
    assert await another.end(signal.SIGINT) == 0
    await gone(started)
    assert (await another.run("status")).returncode == NOT_RUNNING


@pytest.mark.parametrize("server", ["redis", "postgres", "s3", "rabbitmq"])
@pytest.mark.slow("waits until a server is back and all services have found it")
async def test_a_server_that_was_killed_is_started_again(stack: Stack, gateway: str, server: str) -> None:
    killed = Identity.of((await stack.status())[server]["pid"])
    assert killed is not None
    killed.send(signal.SIGKILL)
    await gone([killed])

    async def runs_again() -> bool:
        row = (await stack.status())[server]
        return bool(row["state"] == "running" and row["pid"] != killed.pid)

    await eventually(runs_again, within_seconds=60)

    async def ready_again() -> bool:
        async with aiohttp.ClientSession() as http:
            status = await stack.status()
            for service in ("gateway", "auth", "diagram"):
                where = gateway if service == "gateway" else status[service]["url"]
                async with http.get(f"{where}/health/ready") as answer:
                    assert answer.status == 200, service
        return True

    await eventually(ready_again, within_seconds=60)


@pytest.mark.parametrize("names", [("diagram", "redis", "s3"), ("gateway", "postgres", "rabbitmq")])
async def test_what_is_frozen_is_said_not_to_answer(stack: Stack, names: tuple[str, ...]) -> None:
    """Three at a time, since each time costs the five seconds for which an answer is waited for."""
    frozen = [stack.row(name)["pid"] for name in names]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        states = {name: row["state"] for name, row in (await stack.told_status()).items()}
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert {states[name] for name in names} == {"not answering"}
    assert states["epmd"] == states["auth"] == "running"

    async def answer() -> bool:
        rows = await stack.status()
        return all(rows[name]["state"] == "running" for name in names)

    await eventually(answer, within_seconds=30)


async def test_without_apt_up_says_in_one_sentence_what_to_do(another: Stack, tmp_path: Path) -> None:
    refused = await another.run("up", PATH=str(tmp_path), AUTOGRAPH_PROGRAMS=str(tmp_path / "programs"))

    assert refused.returncode == 1
    assert "there is no apt here" in refused.stderr
    assert "AUTOGRAPH_RABBITMQ_URL" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not Home(another.home).state().processes


async def test_a_server_of_the_users_own_that_is_not_there_is_said_before_anything_starts(another: Stack) -> None:
    refused = await another.run("up", AUTOGRAPH_REDIS_URL=CLOSED)

    assert refused.returncode == 1
    assert "AUTOGRAPH_REDIS_URL" in refused.stderr
    assert "a-password" not in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr
    assert "starting" not in refused.stdout


async def _pid(stack: Stack, name: str) -> int:
    """0 until it has one."""
    return next((process.pid for process in Home(stack.home).state().processes if process.name == name), 0)


async def _all_started(stack: Stack) -> bool:
    return all(re.search(rf" {service} +starting", stack.output) for service in SERVICES)


def _addresses(rows: dict[str, dict[str, object]]) -> list[object]:
    return [row["where"] for row in rows.values() if row["where"]]


async def leave_something(servers: Servers) -> None:
    database = await asyncpg.connect(servers.postgres_url)
    await database.execute("CREATE TABLE public.left_behind AS SELECT 'a row' AS content")
    await database.close()
    async with client_of(servers.s3) as store:
        await store.put_object(Bucket="exports", Key="left", Body=b"an object")
    async with _management(servers) as http:
        await http.put("/api/queues/autograph/left", json={"durable": True, "arguments": {"x-queue-type": "quorum"}})
        published = {
            "properties": {"delivery_mode": 2}, "routing_key": "left", "payload": "a message",
            "payload_encoding": "string",
        }  # fmt: skip
        async with http.post("/api/exchanges/autograph/amq.default/publish", json=published) as answer:
            assert (await answer.json())["routed"] is True


async def find_what_was_left(servers: Servers) -> bool:
    database = await asyncpg.connect(servers.postgres_url)
    assert await database.fetchval("SELECT content FROM public.left_behind") == "a row"
    await database.close()
    async with client_of(servers.s3) as store:
        stored = await store.get_object(Bucket="exports", Key="left")
        assert await stored["Body"].read() == b"an object"
    asked = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    async with _management(servers) as http, http.post("/api/queues/autograph/left/get", json=asked) as answer:
        assert [message["payload"] for message in await answer.json()] == ["a message"]
    return True


def _management(servers: Servers) -> aiohttp.ClientSession:
    url = urlsplit(servers.rabbitmq_management_url)
    return aiohttp.ClientSession(
        url._replace(netloc=f"{url.hostname}:{url.port}").geturl(),
        headers={"Authorization": aiohttp.encode_basic_auth(url.username or "", url.password or "")},
        raise_for_status=True,
    )
