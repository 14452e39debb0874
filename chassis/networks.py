"""The network of a client's address: an IPv6 client has a whole /64, so limits count networks."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

PREFIX = 64  # of one IPv6 client
WIDER_PREFIXES = (56, 48)  # of what a provider gives to one customer (RFC 6177, RIPE-690)


@lru_cache(maxsize=10_000)
def network(address: str) -> str:
    """The IPv4 address itself, or the /64 of an IPv6 address. A string that is no address is returned as it is."""
    parsed = _parsed(address)
    return address if parsed is None else parsed if isinstance(parsed, str) else _within(parsed, PREFIX)


@lru_cache(maxsize=10_000)
def wider_networks(address: str) -> tuple[str, ...]:
    """The /56 and the /48 of an IPv6 address; empty for any other."""
    parsed = _parsed(address)
    return tuple(_within(parsed, prefix) for prefix in WIDER_PREFIXES) if isinstance(parsed, IPv6Address) else ()


def _parsed(address: str) -> IPv6Address | str | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if not isinstance(parsed, IPv6Address):
        return address
    return parsed if parsed.ipv4_mapped is None else str(parsed.ipv4_mapped)


def _within(address: IPv6Address, prefix: int) -> str:
    return str(ip_network((address, prefix), strict=False))
