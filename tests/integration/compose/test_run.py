"""Servers run for as long as a block does, however it ends."""

import asyncio
from pathlib import Path

import pytest

from compose.local.home import Home, OperatorError
from compose.local.run import run_servers, start_servers
from compose.local.stack import Servers
from tests.servers import PROGRAMS


def all_but_redis(servers: Servers) -> dict[str, str]:
    given = servers.environment()
    del given["AUTOGRAPH_REDIS_URL"]
    return given


async def test_only_what_is_not_given_is_started_and_it_ends_with_the_block(servers: Servers, tmp_path: Path) -> None:
    home = Home(tmp_path, programs=PROGRAMS).open()

    async with run_servers(home, all_but_redis(servers), lambda _name, _state: None):
        [redis] = home.state().processes
        assert redis.name == "redis"
        assert redis.identity.alive()

    assert not redis.identity.alive()
    assert home.state().processes == []


async def test_whoever_cancels_again_while_all_is_stopped_waits_for_it_all_the_same(
    servers: Servers, tmp_path: Path
) -> None:
    home = Home(tmp_path, programs=PROGRAMS).open()
    runs, stops = asyncio.Event(), asyncio.Event()

    def report(_name: str, state: str) -> None:
        if state == "stopping":
            stops.set()

    async def use() -> None:
        async with run_servers(home, all_but_redis(servers), report):
            runs.set()
            await asyncio.Event().wait()

    using = asyncio.create_task(use())
    await runs.wait()
    [redis] = home.state().processes
    using.cancel()
    await stops.wait()
    using.cancel()

    with pytest.raises(asyncio.CancelledError):
        await using
    assert not redis.identity.alive()
    assert home.state().processes == []
    assert not home.is_locked()


async def test_whoever_waits_for_one_server_learns_that_another_cannot_be_provided(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = servers.environment()
    del given["AUTOGRAPH_RABBITMQ_URL"], given["AUTOGRAPH_RABBITMQ_MANAGEMENT_URL"]
    monkeypatch.setenv("PATH", str(tmp_path))

    async with start_servers(Home(tmp_path).open(), given, lambda _name, _state: None) as starting:
        with pytest.raises(OperatorError, match="there is no apt here"):
            await starting.ready("redis")
