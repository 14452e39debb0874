"""Who the client is behind our proxies: X-Forwarded-For in all forms that proxies write, or Forwarded (RFC 7239)."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Literal

from aiohttp import web

from chassis.logging import logger
from chassis.metrics import GatewayMetrics

Header = Literal["x-forwarded-for", "forwarded"]

MAX_LOGGED_CHARACTERS: Final = 100  # characters of what a client or a proxy wrote
_PORT = re.compile(r":\d{1,5}")
# A parameter of Forwarded: a token, or a quoted string.
_PAIR = re.compile(r'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;\s]*))[ \t]*([;,]|\Z)')

_log = logger(__name__)


class ForwardedClients:
    """Of what is forwarded, only what *proxies* proxies of ours have written counts.

    The header is a setting, since a client can send the one that our proxies do not write.
    """

    def __init__(self, proxies: int, header: Header, metrics: GatewayMetrics) -> None:
        self._proxies = proxies
        self._header = header
        self._metrics = metrics
        self._warned = False

    def address(self, http: web.Request) -> str:
        """The client's, in its shortest form; the nearest proxy's own where it cannot be told."""
        peer = http.remote or "unknown"
        if not self._proxies:
            return peer
        # Some proxies add a header line of their own, behind the client's: all of them are one list.
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
        """Counted each time, and said once: from now on all clients behind this proxy share its limits."""
        self._metrics.forwarded_not_understood.inc()
        if not self._warned:
            self._warned = True
            _log.warning("forwarded_not_understood", header=self._header, why=why, value=what[:MAX_LOGGED_CHARACTERS])


def node_address(node: str) -> str | None:
    """``192.0.2.1``, ``192.0.2.1:4711``, ``2001:db8::1``, ``[2001:db8::1]``, ``[2001:db8::1]:4711``; or None."""
    return _node_address(node) if len(node) <= MAX_LOGGED_CHARACTERS else None  # longer than any: not kept


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
        address = ip_address(text.partition("%")[0])  # a zone says which of the proxy's links, not which client
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _x_forwarded_for(line: str) -> Sequence[str]:
    return tuple(part.strip().strip('"') for part in line.split(",") if part.strip())


def _forwarded(line: str) -> Sequence[str]:
    """Who each proxy was asked by (``for``); "unknown" where it does not say, or for what is not of the form."""
    hops: list[str] = []
    element: dict[str, str] = {}
    position = 0
    while position < len(line):
        pair = _PAIR.match(line, position)
        if pair is None:  # a client's own part, perhaps: what our proxies have put behind it still counts
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
