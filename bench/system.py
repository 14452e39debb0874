"""The workloads on the system, over HTTP."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from redis.asyncio import Redis

from bench.load import Exhausted, LoadConnection, Operation, OperationFailed, Workload
from bench.scene import DIAGRAM, changed

ACCOUNTS = 16  # one for each loop that signs in: of one account's sessions only the last five live
LISTED = 100
PASSWORD = "correct horse"  # noqa: S105 - of accounts that live for this run


class System:
    def __init__(self, base: str, redis_url: str) -> None:
        self._base = base
        self._redis_url = redis_url
        self._authorized = ""
        self._lister = ""
        self._made: list[str] = []
        self._numbers = count()

    async def prepare(self) -> None:
        """Accounts, and the diagrams that are listed."""
        names = ["writer", "lister", *(f"account{number}" for number in range(ACCOUNTS))]
        await asyncio.gather(*(self._wanted("POST", "/api/auth/register", 201, _credentials(name)) for name in names))
        self._authorized, self._lister = await self._sign_in("writer"), await self._sign_in("lister")
        for _ in range(LISTED):
            await self._wanted("POST", "/api/diagrams", 201, DIAGRAM, self._lister)

    async def _sign_in(self, name: str) -> str:
        answer = await self._wanted("POST", "/api/auth/login", 200, _credentials(name))
        return f"Authorization: Bearer {answer['access_token']}\r\n"

    async def _wanted(self, method: str, path: str, good: int, body: bytes = b"", headers: str = "") -> dict[str, Any]:
        async with LoadConnection(self._base) as connection:
            status, content = await connection.send(method, path, body, headers)
        if status != good:
            raise SystemExit(f"{method} {path} was answered {status}: {content[:500].decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(content)
        return answer

    @asynccontextmanager
    async def create(self, _: int) -> AsyncIterator[Operation]:
        async with LoadConnection(self._base) as connection:

            async def ask() -> None:
                status, content = await connection.send("POST", "/api/diagrams", DIAGRAM, self._authorized)
                _check(status, 201)
                self._made.append(f"/api/diagrams/{json.loads(content)['id']}")

            yield ask

    @asynccontextmanager
    async def change(self, number: int) -> AsyncIterator[Operation]:
        """Each loop changes a diagram of its own, so that none waits for another's row."""
        headers = f"{self._authorized}If-Match: *\r\n"
        path = self._made[number % len(self._made)]
        async with LoadConnection(self._base) as connection:

            async def ask() -> None:
                status, _ = await connection.send("PATCH", path, changed(next(self._numbers)), headers)
                _check(status, 200)

            yield ask

    def read_cached(self) -> Workload:
        return self._get(self._made[0])

    def list_20(self) -> Workload:
        return self._get("/api/diagrams?limit=20", self._lister)

    def _get(self, path: str, authorized: str = "") -> Workload:
        @asynccontextmanager
        async def workload(_: int) -> AsyncIterator[Operation]:
            async with LoadConnection(self._base) as connection:

                async def ask() -> None:
                    status, _ = await connection.send("GET", path, headers=authorized or self._authorized)
                    _check(status, 200)

                yield ask

        return workload

    async def read_uncached(self) -> Workload:
        """Reads each diagram once, after invalidating the cache. Ends early when all have been read."""
        async with Redis.from_url(self._redis_url) as redis:
            await redis.set("cache:epoch", secrets.token_hex(16))  # part of every key
        await self._wanted("GET", self._made[0], 200, headers=self._authorized)  # the session is known again
        unread = iter(self._made[1:])

        @asynccontextmanager
        async def workload(_: int) -> AsyncIterator[Operation]:
            async with LoadConnection(self._base) as connection:
                yield lambda: self._read_next(connection, unread)

        return workload

    async def _read_next(self, connection: LoadConnection, unread: Iterator[str]) -> None:
        path = next(unread, None)
        if path is None:
            raise Exhausted
        status, _ = await connection.send("GET", path, headers=self._authorized)
        _check(status, 200)

    @asynccontextmanager
    async def sign_in(self, number: int) -> AsyncIterator[Operation]:
        body = _credentials(f"account{number % ACCOUNTS}")
        async with LoadConnection(self._base) as connection:

            async def ask() -> None:
                status, _ = await connection.send("POST", "/api/auth/login", body)
                _check(status, 200)

            yield ask


def _check(status: int, good: int) -> None:
    if status != good:
        raise OperationFailed(f"answered {status}")


def _credentials(name: str) -> bytes:
    return json.dumps({"email": f"{name}@example.org", "password": PASSWORD}).encode()
