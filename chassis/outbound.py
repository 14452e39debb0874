"""The way out: requests to servers that users name, which must not reach ours.

The address that is really connected to is checked, after every look-up of a name and for every connection. So neither
another spelling of an address, nor a name that resolves to it, nor one that resolves differently the second time leads
to this machine, to the networks beside it, or to a cloud's metadata. Redirects are not followed, the environment names
no proxy, and only so much of an answer is read.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver
from prometheus_client import CollectorRegistry, Counter, Histogram
from yarl import URL

from chassis.metrics import SECONDS

MAX_ANSWER_BYTES: Final = 64 * 1024
TIMEOUT_SECONDS: Final = 10.0  # of a request in all
CONNECT_SECONDS: Final = 5.0
CONNECTIONS: Final = 20  # at once, of a process
CONNECTIONS_PER_HOST: Final = 4
USER_AGENT: Final = "AutoGraph"

Network: TypeAlias = IPv4Network | IPv6Network

# What is not the public Internet: IANA's registries of special-purpose addresses (RFC 6890), multicast, and the ways in
# which an IPv6 address carries an IPv4 address.
CLOSED: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
            "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
            "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        ),
    )
)  # fmt: skip


class Outcome(StrEnum):
    """How a request ended, as the metrics count it."""

    SUCCEEDED = "succeeded"  # 2xx
    REDIRECTED = "redirected"  # 3xx, not followed
    REFUSED = "refused"  # 4xx
    FAILED = "failed"  # 5xx
    BLOCKED = "blocked"
    TIMED_OUT = "timed_out"
    TOO_LARGE = "too_large"
    CANCELLED = "cancelled"  # by its caller
    UNREACHABLE = "unreachable"  # no name, no connection, no TLS, no HTTP


class OutboundBlocked(Exception):
    """The URL, or the address that it leads to, is none that may be reached. No byte was sent there."""


class OutboundFailed(Exception):
    """There is no answer that could be used. *reason* is one of ``Outcome``; whether it was carried out is unknown."""

    def __init__(self, reason: Outcome) -> None:
        super().__init__(reason.value)
        self.reason = reason


class _AddressError(OSError):
    """aiohttp passes on an ``OSError`` of the socket factory as the cause of a connector's error."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # whatever the case of the names
    body: bytes


class OutboundMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "autograph_outbound_requests_total",
            "Requests to servers outside, by what for and by outcome.",
            ("purpose", "outcome"),
            registry=registry,
        )
        self.seconds = Histogram(
            "autograph_outbound_request_seconds",
            "Time of a request to a server outside.",
            ("purpose",),
            buckets=SECONDS,
            registry=registry,
        )


class Outbound:
    """Made by ``open_outbound``."""

    def __init__(self, http: aiohttp.ClientSession, metrics: OutboundMetrics, proxy: str | None) -> None:
        self._http = http
        self._metrics = metrics
        self._proxy = proxy

    async def request(
        self,
        method: str,
        url: str,
        *,
        purpose: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> Answer:
        """The answer, whatever its status. Raises ``OutboundBlocked`` and ``OutboundFailed``.

        *purpose* is a constant: a label of the metrics.
        """
        began = time.perf_counter()
        outcome = Outcome.UNREACHABLE
        try:
            target = _checked(url)
            async with asyncio.timeout(timeout_seconds):
                answer = await self._request(method, target, headers or {}, body, max_answer_bytes)
            outcome = _OUTCOMES.get(answer.status // 100, Outcome.FAILED)
        except OutboundBlocked:
            outcome = Outcome.BLOCKED
            raise
        except OutboundFailed as failed:
            outcome = failed.reason
            raise
        except asyncio.CancelledError:
            outcome = Outcome.CANCELLED
            raise
        except TimeoutError:
            outcome = Outcome.TIMED_OUT
            raise OutboundFailed(outcome) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error.__cause__, _AddressError) or isinstance(error, _AddressError):
                outcome = Outcome.BLOCKED
                raise OutboundBlocked("the address is not one that may be reached") from None
            raise OutboundFailed(outcome) from error
        else:
            return answer
        finally:
            self._metrics.requests.labels(purpose, outcome.value).inc()
            self._metrics.seconds.labels(purpose).observe(time.perf_counter() - began)

    async def _request(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, max_answer_bytes: int
    ) -> Answer:
        given = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        async with self._http.request(
            method, url, headers=given, data=body, allow_redirects=False, proxy=self._proxy
        ) as response:
            content = b""
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > max_answer_bytes:
                    raise OutboundFailed(Outcome.TOO_LARGE)
            return Answer(response.status, response.headers, content)


@asynccontextmanager
async def open_outbound(
    registry: CollectorRegistry,
    *,
    allow: Iterable[Network] = (),
    proxy: str | None = None,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[Outbound]:
    """*allow*: networks that may be reached although they are closed. With *proxy*, that one decides what may be."""
    allowed = tuple(allow)

    def make_socket(info: tuple[object, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        assert isinstance(address, tuple)
        if proxy is None and not may_reach(address[0], allowed):
            raise _AddressError
        return socket.socket(family, kind, protocol)  # type: ignore[arg-type]  # as the resolver gave it

    connector = aiohttp.TCPConnector(
        socket_factory=make_socket,
        resolver=resolver,
        use_dns_cache=False,
        force_close=True,  # a connection that is kept was checked for another request
        limit=CONNECTIONS,
        limit_per_host=CONNECTIONS_PER_HOST,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trust_env=False,
        auto_decompress=False,  # a small answer could become a large one
    ) as http:
        yield Outbound(http, OutboundMetrics(registry), proxy)


def may_reach(address: str, allowed: Iterable[Network] = ()) -> bool:
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in allowed) or not any(found in network for network in CLOSED)


def _checked(url: str) -> URL:
    """Raises ``OutboundBlocked`` for what is no plain URL of the web: another scheme, credentials in it, no host."""
    try:
        target = URL(url)
    except ValueError:
        raise OutboundBlocked("not a URL") from None
    if target.scheme not in ("http", "https") or not target.host:
        raise OutboundBlocked("not a URL of the web")
    if target.user is not None or target.password is not None:
        raise OutboundBlocked("credentials in the URL")
    return target


_OUTCOMES: Final = {2: Outcome.SUCCEEDED, 3: Outcome.REDIRECTED, 4: Outcome.REFUSED}
