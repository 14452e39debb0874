"""Behind a real nginx: what it does to tags, bodies and addresses loses nobody's work."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.integration.gateway.local_system import Gateway, LocalSystem, Person, signed_up
from tests.nginx import nginx_before

# As docs/runbooks/reverse-proxies.md has it; the client's address is the test's to write.
UNDER_A_PATH = """
location /autograph/ {{
    proxy_pass {upstream}/;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $http_x_client;
}}
location /autograph/api/auth/ {{
    gzip off;
    proxy_pass {upstream}/api/auth/;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $http_x_client;
}}
"""


@pytest.fixture(scope="module")
async def gateway(system: LocalSystem) -> AsyncIterator[Gateway]:
    async with system.gateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
async def proxied(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that sees what nginx sends, as it sends it."""
    base = str(gateway.http._base_url)
    async with (
        nginx_before(base.rstrip("/")) as url,
        aiohttp.ClientSession(url, auto_decompress=False, headers={"Accept-Encoding": "gzip"}) as http,
    ):
        yield http


async def kept(http: aiohttp.ClientSession, person: Person, canvas: dict[str, Any]) -> str:
    document = {"title": "Plan", "type": "canvas", "canvas_data": canvas}
    async with http.post("/api/diagrams", json=document, headers=person.headers()) as answer:
        assert answer.status == 201, await answer.text()
        return str(answer.headers["Location"])


SMALL = {"elements": [{"id": "a", "text": "x" * 500}]}
LARGE = {"elements": [{"id": f"element {n}", "x": n} for n in range(2_000)]}


@pytest.mark.parametrize(("canvas", "tag"), [(SMALL, 'W/"1"'), (LARGE, '"1-gzip"')], ids=["small", "large"])
async def test_a_tag_that_came_through_a_compressing_proxy_is_good_for_a_change_and_for_304(
    gateway: Gateway, proxied: aiohttp.ClientSession, canvas: dict[str, Any], tag: str
) -> None:
    """What we have not compressed nginx does, and makes our tag weak; what we have it lets through."""
    person = await signed_up(gateway.http)
    path = await kept(gateway.http, person, canvas)
    for _ in range(2):  # from the worker, and from the cache
        async with proxied.get(path, headers=person.headers()) as answer:
            assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
            assert b'"id":"' in gzip.decompress(await answer.read())
            assert answer.headers["ETag"] == tag
    async with proxied.get(path, headers=person.headers(**{"If-None-Match": tag})) as answer:
        assert answer.status == 304

    changed: dict[str, Any] = {"canvas_data": {"elements": []}}
    async with proxied.patch(path, json=changed, headers=person.headers(**{"If-Match": tag})) as answer:
        assert answer.status == 200, await answer.read()
        newer = answer.headers["ETag"]
    async with proxied.patch(path, json={"title": "Mine"}, headers=person.headers(**{"If-Match": tag})) as answer:
        assert answer.status == 412
    several = person.headers(**{"If-Match": f"{tag}, {newer}"})
    async with proxied.patch(path, json={"title": "Either"}, headers=several) as answer:
        assert answer.status == 200, await answer.read()


async def test_under_a_path_each_link_leads_through_the_proxy(system: LocalSystem) -> None:
    async with (
        system.gateway(public_url="https://example.org/autograph") as gateway,
        nginx_before(str(gateway.http._base_url).rstrip("/"), locations=UNDER_A_PATH) as url,
        aiohttp.ClientSession(url) as http,
    ):
        person = await signed_up(gateway.http)
        document = {"title": "Plan", "type": "note"}
        async with http.post("/autograph/api/diagrams", json=document, headers=person.headers()) as answer:
            assert answer.status == 201
            path = answer.headers["Location"]
        async with http.get(path, headers=person.headers()) as answer:
            assert answer.status == 200
        headers = person.headers(Prefer="respond-async")
        async with http.post("/autograph/api/diagrams", json=document, headers=headers) as answer:
            assert answer.status == 202
            command = (await answer.json())["command"]
        async with http.get(command, headers=person.headers()) as answer:
            assert (await answer.json())["status"] in ("accepted", "succeeded")


async def test_under_a_path_what_may_hold_a_token_is_not_compressed_and_the_rest_is(system: LocalSystem) -> None:
    async with (
        system.gateway(public_url="https://example.org/autograph") as gateway,
        nginx_before(str(gateway.http._base_url).rstrip("/"), locations=UNDER_A_PATH) as url,
        aiohttp.ClientSession(url, auto_decompress=False, headers={"Accept-Encoding": "gzip"}) as http,
    ):
        person = await signed_up(gateway.http)
        async with http.get("/autograph/api/auth/me", headers=person.headers()) as answer:
            assert (answer.status, answer.headers.get("Content-Encoding")) == (200, None)
        async with http.get("/autograph/api/diagrams", headers=person.headers()) as answer:
            assert (answer.status, answer.headers.get("Content-Encoding")) == (200, "gzip")


async def test_clients_behind_a_proxy_that_writes_ports_are_told_apart(system: LocalSystem) -> None:
    async with (
        system.gateway(
            public_url="https://example.org/autograph", trusted_proxies=1, rate_limit_per_address=1
        ) as gateway,
        nginx_before(str(gateway.http._base_url).rstrip("/"), locations=UNDER_A_PATH) as url,
        aiohttp.ClientSession(url) as http,
    ):
        found = []
        for client in ("192.0.2.1:50123", "192.0.2.2:50123", "[2001:db8::1]:7", "192.0.2.1:80"):
            async with http.get("/autograph/api/auth/me", headers={"X-Client": client}) as answer:
                found.append(answer.status)
        assert found == [401, 401, 401, 429]
