"""The client's address behind trusted proxies: X-Forwarded-For in all usual forms, or Forwarded (RFC 7239)."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Literal

from aiohttp import web

from chassis.logging import logger
from chassis.metrics import GatewayMetrics

Header = Literal["x-forwarded-for", "forwarded"]

MAX_LOGGED_CHARACTERS: Final = 100  # of a header that cannot be read
_PORT = re.compile(r":\d{1,5}")
# A parameter of Forwarded: a token, or a quoted string.
_PAIR = re.compile(r'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;\s]*))[ \t]*([;,]|\Z)')

_log = logger(__name__)


class ForwardedClients:
    """Trusts only the last *proxies* entries of the header, which our own proxies wrote.

    The header is a setting: a client could send the one that the proxies do not write.
    """

    def __init__(self, proxies: int, header: Header, metrics: GatewayMetrics) -> None:
        self._proxies = proxies
        self._header = header
        self._metrics = metrics
        self._warned = False

    def address(self, http: web.Request) -> str:
        """The client's address in its shortest form; the nearest proxy's if it cannot be determined."""
        peer = http.remote or "unknown"
        if not self._proxies:
            return peer
        # Some proxies add a header line of their own behind the client's: all lines are one list.
        lines = http.headers.getall(self._header, ())
        if not lines:
            if self._header == "x-forwarded-for" and "Forwarded" in http.headers:
                self._warn_once("set AUTOGRAPH_FORWARDED_HEADER=forwarded", http.headers["Forwarded"])
            return peer
        line = ",".join(lines)
        hops = _forwarded(line) if self._header == "forwarded" else _x_forwarded_for(line)
        candidate = hops[max(0, len(hops) - self._proxies)] if hops else peer
        found = node_address(candidate)
        if found is None:
            self._warn_once("not an address", candidate)
            return peer
        return found

    def _warn_once(self, why: str, what: str) -> None:
        """Counted each time, logged once: until it is fixed, all clients behind this proxy share its limits."""
        self._metrics.forwarded_not_understood.inc()
        if not self._warned:
            self._warned = True
            _log.warning("forwarded_not_understood", header=self._header, why=why, value=what[:MAX_LOGGED_CHARACTERS])


def node_address(node: str) -> str | None:
    """``192.0.2.1``, ``192.0.2.1:4711``, ``2001:db8::1``, ``[2001:db8::1]``, ``[2001:db8::1]:4711``; or None."""
    return _node_address(node) if len(node) <= MAX_LOGGED_CHARACTERS else None  # longer than any address: not cached


@lru_cache(maxsize=4_096)
def _node_address(node: str) -> str | None:
    text = node.strip()
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _PORT.fullmatch(port)):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _PORT.fullmatch(f":{port}"):
            return None
    try:
        address = ip_address(text.partition("%")[0])  # the zone names the proxy's interface, not the client
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _x_forwarded_for(line: str) -> Sequence[str]:
    return tuple(part.strip().strip('"') for part in line.split(",") if part.strip())


def _forwarded(line: str) -> Sequence[str]:
    """The ``for`` of each element; "unknown" where it is missing or malformed."""
    hops: list[str] = []
    element: dict[str, str] = {}
    position = 0
    while position < len(line):
        pair = _PAIR.match(line, position)
        if pair is None:  # perhaps the client's part: the entries of our proxies behind it still count
            _, comma, rest = line[position:].partition(",")
            if element or line[position:].split(",", 1)[0].strip():
                hops.append("unknown")
                element = {}
            position = len(line) - len(rest) if comma else len(line)
            continue
        name, quoted, token, separator = pair.groups()
        element[name.lower()] = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if separator != ";":
            hops.append(_node(element))
            element = {}
        position = pair.end()
    if element:
        hops.append(_node(element))
    return tuple(hops)


def _node(element: Mapping[str, str]) -> str:
    return element.get("for", "unknown")
