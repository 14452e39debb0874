"""Gateways that come and go under load: whoever just connects is served."""

import asyncio
import socket
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp

from chassis.lifecycle import Service
from gateway.__main__ import open_gateway
from gateway.settings import GatewaySettings
from tests.eventually import eventually
from tests.integration.gateway.local_system import LocalSystem, broker_url, signed_up
from tests.integration.gateway.scene import open_scene

RESTARTS = 4
CLIENTS = 8


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def is_listening(port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 5)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


async def _is_closed(port: int) -> bool:
    return not await is_listening(port)


async def _asked(found: Counter[str], times: int) -> bool:
    return found.total() >= times


async def ask(url: str, headers: dict[str, str], found: Counter[str], over: asyncio.Event) -> None:
    """One connection for each request, and no second try."""
    connector, timeout = aiohttp.TCPConnector(force_close=True), aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as http:
        while not over.is_set():
            try:
                async with http.get("/api/auth/me", headers=headers) as answer:
                    await answer.read()
                    found[str(answer.status)] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                found[repr(error)] += 1


async def test_two_gateways_on_one_port_are_restarted_in_turns_and_no_request_fails(system: LocalSystem) -> None:
    port, found, over = unused_port(), Counter[str](), asyncio.Event()
    changes: dict[str, Any] = {"http_port": port, "http_reuse_port": True}
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(system.gateway(**changes))
        person = await signed_up(first.http)
        url = f"http://127.0.0.1:{port}"
        clients = [asyncio.create_task(ask(url, person.headers(), found, over)) for _ in range(CLIENTS)]
        older = first
        for _ in range(RESTARTS):
            newer = await stack.enter_async_context(system.gateway(**changes))
            await older.stop()
            older = newer
            enough = found.total() + 5 * CLIENTS
            await eventually(partial(_asked, found, enough))
        over.set()
        await asyncio.gather(*clients)
    assert set(found) == {"200"}, found


async def test_a_gateway_listens_from_when_it_can_serve(system: LocalSystem) -> None:
    """Without keys it cannot: nobody has told it any, as it knows no broker."""
    port = unused_port()
    settings = GatewaySettings(
        _env_file=None, redis_url=system.redis_url, rabbitmq_url="amqp://nobody:none@127.0.0.1:1", side_port=0,
        http_port=port, gateway_secret="gateway secret of this test, long enough",
    )  # fmt: skip
    async with Service("gateway", settings) as service:
        opening = asyncio.create_task(open_gateway(service))
        done, _ = await asyncio.wait([opening], timeout=0.5)
        assert not done
        assert not await is_listening(port)
        opening.cancel()
        await asyncio.wait([opening])
    broker = broker_url(system.vhost, "gateway")
    async with Service(
        "gateway", settings.model_copy(update={"rabbitmq_url": type(settings.rabbitmq_url)(broker)})
    ) as service:
        (url,) = await open_gateway(service)
        async with aiohttp.ClientSession(url) as http, http.get("/.well-known/jwks.json") as answer:
            assert answer.status == 200


async def test_who_has_connected_as_a_gateway_leaves_is_answered() -> None:
    async with open_scene() as scene:
        host, port = scene.listening.urls[0].removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        closing = asyncio.create_task(scene.listening.close())
        await eventually(lambda: _is_closed(int(port)))
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
        writer.close()
        await closing
