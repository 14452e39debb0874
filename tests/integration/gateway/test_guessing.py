"""Guesses and floods of password work, on real servers."""

import asyncio
import time
from uuid import uuid4

import aiohttp

from contracts.auth.accounts import RegisterUser
from tests.integration.gateway.local_system import PASSWORD, LocalSystem, signed_up


async def sign_in(http: aiohttp.ClientSession, email: str, password: str, address: str) -> int:
    document = {"email": email, "password": password}
    async with http.post("/api/auth/login", json=document, headers={"X-Forwarded-For": address}) as answer:
        return answer.status


async def test_an_attacked_account_is_open_where_it_signed_in_before_and_shut_elsewhere(system: LocalSystem) -> None:
    async with system.gateway(trusted_proxies=1, sign_in_failures_per_account=5) as gateway:
        http = gateway.http
        anna = await signed_up(http)
        for home in ("203.0.113.7", "2001:db8:7::1"):
            assert await sign_in(http, anna.email, PASSWORD, home) == 200
        guesses = [await sign_in(http, anna.email, "wrong horse", f"192.0.2.{number}") for number in range(20)]
        assert guesses == [401] * 5 + [429] * 15
        assert await sign_in(http, anna.email, PASSWORD, "192.0.2.99") == 429
        # Another address of her network, since IPv6 clients change theirs.
        for home in ("203.0.113.7", "2001:db8:7::2"):
            assert await sign_in(http, anna.email, PASSWORD, home) == 200
        # An account that nobody has looks the same.
        nobody = f"{uuid4().hex}@example.org"
        found = [await sign_in(http, nobody, "wrong horse", f"192.0.2.{number}") for number in range(20)]
        assert found == guesses


async def test_a_flood_of_registrations_from_one_address_keeps_nobody_out(system: LocalSystem) -> None:
    async with system.gateway(trusted_proxies=1, password_requests_per_address=20) as gateway:
        http = gateway.http
        anna = await signed_up(http)

        async def register(number: int) -> int:
            document = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD}
            headers = {"X-Forwarded-For": "192.0.2.1", "Prefer": "respond-async"}
            async with http.post("/api/auth/register", json=document, headers=headers) as answer:
                assert answer.status in (202, 429), (number, await answer.text())
                assert answer.status == 202 or int(answer.headers["Retry-After"]) > 0
                return answer.status

        flood = asyncio.gather(*(register(number) for number in range(400)))
        began_at = time.monotonic()
        assert await sign_in(http, anna.email, PASSWORD, "203.0.113.7") == 200
        assert time.monotonic() - began_at < RegisterUser.timeout.total_seconds() / 2
        assert (await flood).count(202) <= 20
