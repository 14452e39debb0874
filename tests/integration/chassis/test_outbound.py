"""Requests to what users name never arrive at our own machines, whatever is tried."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from chassis.outbound import CLOSED, Outbound, OutboundBlocked, OutboundFailed, Outcome, may_reach, open_outbound
from chassis.settings import OutboundSettings
from tests.eventually import eventually

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
NAME = "forge.example"


@dataclass
class Target:
    """A server on this machine, on IPv4 and IPv6, that notes what arrives."""

    port: int = 0
    arrived: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.arrived.append(request.path)
        self.headers.append(dict(request.headers))
        match request.path:
            case "/redirect":
                raise web.HTTPFound(f"http://127.0.0.1:{self.port}/inner")
            case "/large":
                return web.Response(body=b"x" * 100_000)
            case "/packed":
                return web.Response(body=b"\x1f\x8b packed", headers={"Content-Encoding": "gzip"})
            case "/slow":
                await asyncio.sleep(60)
            case "/drip":
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(b".")
                    await asyncio.sleep(0.05)
            case "/broken":
                return web.Response(status=502)
        return web.Response(text="done", headers={"Set-Cookie": "a=b"})


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    target = Target()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", target.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listening = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    await web.SockSite(runner, listening).start()
    target.port = listening.getsockname()[1]
    yield target
    await runner.cleanup()


@dataclass
class Names(AbstractResolver):
    """Gives its answers in turn, the last one again and again."""

    answers: list[str]
    asked: int = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [{"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None: ...


@dataclass
class Scene:
    outbound: Outbound
    registry: CollectorRegistry

    async def get(self, url: str, **options: Any) -> Any:
        return await self.outbound.request("GET", url, purpose="test", **options)

    def counted(self, outcome: Outcome) -> float:
        labels = {"purpose": "test", "outcome": outcome.value}
        return self.registry.get_sample_value("autograph_outbound_requests_total", labels) or 0.0


@asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Scene]:
    registry = CollectorRegistry()
    async with open_outbound(registry, **options) as outbound:
        yield Scene(outbound, registry)


TRICKS = [
    "http://127.0.0.1:{port}/a",
    "http://localhost:{port}/a",
    "http://0x7f000001:{port}/a",
    "http://2130706433:{port}/a",
    "http://127.1:{port}/a",
    "http://0177.0.0.1:{port}/a",
    "http://[::1]:{port}/a",
    "http://[::ffff:127.0.0.1]:{port}/a",
    "http://[::127.0.0.1]:{port}/a",
    "http://169.254.169.254/latest/meta-data",
    "http://0.0.0.0:{port}/a",
    "http://[::]:{port}/a",
]


@pytest.mark.parametrize("url", TRICKS)
async def test_no_spelling_of_this_machine_is_reached(target: Target, url: str) -> None:
    async with opened() as scene:
        with pytest.raises((OutboundBlocked, OutboundFailed)):
            await scene.get(url.format(port=target.port), timeout_seconds=5.0)
        # Not every resolver takes every spelling for an address; then there is no such name.
        assert scene.counted(Outcome.BLOCKED) + scene.counted(Outcome.UNREACHABLE) == 1
    assert target.arrived == []


async def test_the_plain_spellings_are_blocked_and_not_only_unreachable(target: Target) -> None:
    async with opened() as scene:
        for url in (TRICKS[0], TRICKS[1], TRICKS[6], TRICKS[7], TRICKS[9], TRICKS[10]):
            with pytest.raises(OutboundBlocked):
                await scene.get(url.format(port=target.port))
        assert scene.counted(Outcome.BLOCKED) == 6


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "64:ff9b::7f00:1"])
async def test_a_name_that_leads_to_an_address_of_ours_is_blocked(target: Target, address: str) -> None:
    async with opened(resolver=Names([address])) as scene:
        with pytest.raises(OutboundBlocked):
            await scene.get(f"http://{NAME}:{target.port}/a")
    assert target.arrived == []


async def test_a_name_that_resolves_differently_the_second_time_is_blocked(target: Target) -> None:
    """Whoever looks first and connects later is told a public address first (DNS rebinding)."""
    names = Names(["93.184.216.34", "127.0.0.1"])
    await names.resolve(NAME)
    async with opened(resolver=names) as scene:
        with pytest.raises(OutboundBlocked):
            await scene.get(f"http://{NAME}:{target.port}/a")
    assert target.arrived == []


async def test_no_connection_and_no_name_is_kept_for_the_next_request(target: Target) -> None:
    names = Names(["127.0.0.2", "127.0.0.1"])
    async with opened(resolver=names, allow=[ip_network("127.0.0.2/32")]) as scene:
        await scene.get(f"http://{NAME}:{target.port}/first")
        with pytest.raises(OutboundBlocked):
            await scene.get(f"http://{NAME}:{target.port}/second")
    assert target.arrived == ["/first"]


async def test_a_redirect_is_an_answer_and_is_not_followed(target: Target) -> None:
    async with opened(allow=LOOPBACK) as scene:
        answer = await scene.get(f"http://127.0.0.1:{target.port}/redirect")
        assert (answer.status, answer.headers["location"]) == (302, f"http://127.0.0.1:{target.port}/inner")
        assert scene.counted(Outcome.REDIRECTED) == 1
    assert target.arrived == ["/redirect"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"])
async def test_a_network_that_the_operator_allows_is_reached(target: Target, host: str) -> None:
    async with opened(allow=LOOPBACK) as scene:
        answer = await scene.get(f"http://{host}:{target.port}/a")
        assert (answer.status, answer.body) == (200, b"done")
        assert scene.counted(Outcome.SUCCEEDED) == 1


async def test_nothing_of_one_answer_goes_into_the_next_request_and_nothing_is_unpacked(target: Target) -> None:
    async with opened(allow=LOOPBACK) as scene:
        await scene.get(f"http://localhost:{target.port}/a")
        await scene.get(f"http://localhost:{target.port}/a", headers={"Authorization": "Bearer x"})
        assert (await scene.get(f"http://localhost:{target.port}/packed")).body == b"\x1f\x8b packed"
    assert all("Cookie" not in headers for headers in target.headers)
    assert [headers.get("Authorization") for headers in target.headers] == [None, "Bearer x", None]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/large", Outcome.TOO_LARGE), ("/slow", Outcome.TIMED_OUT), ("/drip", Outcome.TIMED_OUT)],
)
async def test_an_answer_has_a_size_and_a_time(target: Target, path: str, reason: Outcome) -> None:
    async with opened(allow=LOOPBACK) as scene:
        with pytest.raises(OutboundFailed) as failed:
            await scene.get(f"http://127.0.0.1:{target.port}{path}", timeout_seconds=1.0)
        assert failed.value.reason is reason
        assert scene.counted(reason) == 1


async def test_a_request_that_its_caller_gives_up_is_not_counted_as_unreachable(target: Target) -> None:
    async with opened(allow=LOOPBACK) as scene:
        asked = asyncio.create_task(scene.get(f"http://127.0.0.1:{target.port}/slow"))
        await eventually(lambda: _arrived(target))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert (scene.counted(Outcome.CANCELLED), scene.counted(Outcome.UNREACHABLE)) == (1, 0)


async def _arrived(target: Target) -> bool:
    return bool(target.arrived)


async def test_a_server_that_fails_or_is_not_there_is_counted_as_such(target: Target) -> None:
    async with opened(allow=LOOPBACK) as scene:
        assert (await scene.get(f"http://127.0.0.1:{target.port}/broken")).status == 502
        with pytest.raises(OutboundFailed) as failed:
            await scene.get("http://127.0.0.1:1/a")
        assert failed.value.reason is Outcome.UNREACHABLE
        assert (scene.counted(Outcome.FAILED), scene.counted(Outcome.UNREACHABLE)) == (1, 1)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_the_environment_names_no_proxy(target: Target, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{target.port}")
    async with opened(resolver=Names(["10.0.0.1"])) as scene:
        with pytest.raises(OutboundBlocked):
            await scene.get(f"http://{NAME}/a")
    assert target.arrived == []


async def test_behind_a_proxy_that_one_decides(target: Target) -> None:
    async with opened(proxy=f"http://127.0.0.1:{target.port}") as scene:
        assert (await scene.get(f"http://{NAME}/through")).status == 200
    assert target.arrived == ["/through"]
    assert target.headers[0]["Host"] == NAME


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://forge.example/", "//forge.example/", "forge.example", "",
        "http://user:word@forge.example/", "http://user@forge.example/", "http:///a", "http://[::1", "unix:///run/x",
    ],
)  # fmt: skip
async def test_what_is_no_plain_url_of_the_web_is_blocked(url: str) -> None:
    async with opened(resolver=Names(["127.0.0.1"])) as scene:
        with pytest.raises(OutboundBlocked):
            await scene.get(url)
        assert scene.counted(Outcome.BLOCKED) == 1


def test_the_operator_says_which_networks_are_allowed_and_which_proxy_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAPH_OUTBOUND_ALLOW", "10.1.0.0/16, fd00::/8")
    monkeypatch.setenv("AUTOGRAPH_OUTBOUND_PROXY", "http://proxy.internal:3128")
    settings = OutboundSettings()
    assert settings.outbound_proxy is not None
    assert settings.outbound_proxy.host == "proxy.internal"
    assert may_reach("10.1.2.3", settings.outbound_allow)
    assert may_reach("fd00::1", settings.outbound_allow)
    assert not may_reach("10.2.0.1", settings.outbound_allow)
    monkeypatch.setenv("AUTOGRAPH_OUTBOUND_ALLOW", "10.1.0.1/16")
    with pytest.raises(ValidationError, match="not a valid IPv4 network"):
        OutboundSettings()


def test_the_public_internet_is_open_and_each_closed_network_is_closed() -> None:
    assert all(may_reach(address) for address in ("93.184.216.34", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "1.1.1.1"))
    for network in CLOSED:
        assert not may_reach(str(network[0]))
        assert not may_reach(str(network[-1]))
        assert may_reach(str(network[-1]), [network])
    assert not may_reach("fe80::1%eth0")
