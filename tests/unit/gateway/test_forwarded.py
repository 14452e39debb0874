"""Who the client is behind proxies, in all forms that proxies write; and what nobody may forge."""

from collections.abc import Sequence
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from prometheus_client import CollectorRegistry

from gateway.forwarded import ForwardedClients, Header, node_address
from gateway.metrics import GatewayMetrics

PROXY = "10.0.0.9"


def asked(headers: Sequence[tuple[str, str]]) -> web.Request:
    return make_mocked_request("GET", "/", CIMultiDict(headers)).clone(remote=PROXY)


def found(proxies: int, *values: str, header: Header = "x-forwarded-for") -> tuple[str, float]:
    """The client's address, and how often it was not understood."""
    registry = CollectorRegistry()
    clients = ForwardedClients(proxies, header, GatewayMetrics(registry))
    address = clients.address(asked([(header, value) for value in values]))
    return address, registry.get_sample_value("api_gateway_forwarded_not_understood_total") or 0.0


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("192.0.2.1", "192.0.2.1"), ("192.0.2.1:4711", "192.0.2.1"), (" 192.0.2.1 ", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"), ("[2001:db8::1]", "2001:db8::1"), ("[2001:DB8:0::1]:4711", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("", None), ("unknown", None), ("_hidden", None), ("anna.example.org", None), ("192.0.2.1:", None),
        ("192.0.2.1:http", None), ("192.0.2.1:123456", None), ("[2001:db8::1", None), ("[2001:db8::1]x", None),
        ("192.0.2.256", None), ("192.0.2.1:80:90", None), (":80", None), ("1" * 5_000, None),
    ],
)  # fmt: skip
def test_an_address_is_read_in_every_form(node: str, address: str | None) -> None:
    assert node_address(node) == address


@pytest.mark.parametrize(
    ("proxies", "values", "address"),
    [
        (0, ("192.0.2.1",), PROXY),
        (1, (), PROXY),
        (1, ("192.0.2.1",), "192.0.2.1"),
        (1, ("198.51.100.7, 192.0.2.1:50123",), "192.0.2.1"),
        (1, ("198.51.100.7", "[2001:db8::1]:50123"), "2001:db8::1"),
        (2, ("198.51.100.7, 192.0.2.1:1, 10.0.0.1:2",), "192.0.2.1"),
        (2, ("192.0.2.1",), "192.0.2.1"),
        (1, (', "192.0.2.1:80" ,',), "192.0.2.1"),
    ],
)
def test_of_x_forwarded_for_counts_what_our_proxies_wrote(proxies: int, values: tuple[str, ...], address: str) -> None:
    assert found(proxies, *values) == (address, 0)


@pytest.mark.parametrize(
    ("proxies", "values", "address"),
    [
        (1, ("for=192.0.2.1",), "192.0.2.1"),
        (1, ('For="[2001:db8:cafe::17]:4711"',), "2001:db8:cafe::17"),
        (1, ('for=198.51.100.7, for="192.0.2.1:80";proto=https;by=203.0.113.43',), "192.0.2.1"),
        (1, ("for=198.51.100.7", "proto=http ; for=192.0.2.1"), "192.0.2.1"),
        (2, ('for=192.0.2.1;host="a,b;c\\"d", for=10.0.0.1',), "192.0.2.1"),
        (1, (), PROXY),
        # What a client wrote before our proxy's part takes nothing from it.
        (1, ("!!", "for=192.0.2.1"), "192.0.2.1"),
        (1, ('x="a', 'for="192.0.2.1:80";proto=https'), "192.0.2.1"),
        (1, ('for=", ', "for=192.0.2.1"), "192.0.2.1"),
        (1, (", ,", "for=192.0.2.1, "), "192.0.2.1"),
    ],
)
def test_forwarded_is_read_as_the_rfc_has_it(proxies: int, values: tuple[str, ...], address: str) -> None:
    assert found(proxies, *values, header="forwarded") == (address, 0)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-forwarded-for", "unknown"), ("x-forwarded-for", "192.0.2.1, anna"), ("forwarded", "for=_hidden"),
        ("forwarded", "for=unknown"), ("forwarded", "192.0.2.1"), ("forwarded", 'for="192.0.2.1'),
        ("forwarded", "proto=https"), ("forwarded", "for=[2001:db8::1]"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_counted_and_the_proxy_is_taken(header: Header, value: str) -> None:
    expected = ("2001:db8::1", 0) if "[" in value else (PROXY, 1)  # brackets without quotes: forbidden, and written
    assert found(1, value, header=header) == expected


def test_the_header_that_our_proxies_do_not_write_is_a_client_s_own() -> None:
    registry = CollectorRegistry()
    both = [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=198.51.100.7")]
    for header, address in (("x-forwarded-for", "192.0.2.1"), ("forwarded", "198.51.100.7")):
        clients = ForwardedClients(1, cast("Header", header), GatewayMetrics(CollectorRegistry()))
        assert clients.address(asked(both)) == address
    other = ForwardedClients(1, "x-forwarded-for", GatewayMetrics(registry))
    assert other.address(asked([("Forwarded", "for=198.51.100.7")])) == PROXY
    assert registry.get_sample_value("api_gateway_forwarded_not_understood_total") == 1


def test_what_is_not_understood_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    clients = ForwardedClients(1, "x-forwarded-for", GatewayMetrics(CollectorRegistry()))
    for _ in range(3):
        clients.address(asked([("X-Forwarded-For", "x" * 9_000)]))
    said = capsys.readouterr()
    assert (said.out + said.err).count("forwarded_not_understood") == 1
    assert len(said.out + said.err) < 400
