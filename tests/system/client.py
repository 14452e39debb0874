"""A person at the API, from outside: HTTP and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp

PASSWORD = "a long enough password"


class Answer:
    def __init__(self, response: aiohttp.ClientResponse, body: Any) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = body

    def __repr__(self) -> str:
        return f"<{self.status} {self.body}>"


class Client:
    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self._http = http
        self.address = address
        self.email = f"{uuid4().hex}@example.org"
        self.tokens: dict[str, Any] = {}

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """*headers* with ``_`` for ``-``. Signed in once ``sign_in`` was called."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.tokens:
            sent.setdefault("Authorization", f"Bearer {self.tokens['access_token']}")
        async with self._http.request(method, f"{self.address}{path}", json=body, headers=sent) as response:
            is_json = response.content_type.endswith("json")
            return Answer(response, await response.json(content_type=None) if is_json else await response.text())

    async def register(self) -> Answer:
        return await self.ask("POST", "/api/auth/register", {"email": self.email, "password": PASSWORD})

    async def sign_in(self) -> Answer:
        answer = await self.ask("POST", "/api/auth/login", {"email": self.email, "password": PASSWORD})
        assert answer.status == 200, answer
        self.tokens = answer.body
        return answer

    async def create(self, title: str = "A diagram", **headers: str) -> Answer:
        body = {"title": title, "type": "canvas", "canvas_data": {"elements": [{"id": "a"}]}}
        return await self.ask("POST", "/api/diagrams", body, **headers)

    async def all_diagrams(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.ask("GET", f"/api/diagrams?limit=100&sort=created_at{cursor}")
            assert page.status == 200, page
            found += page.body["items"]
            if page.body["next_cursor"] is None:
                assert page.body["total"] == len(found)
                return found
            cursor = f"&cursor={page.body['next_cursor']}"


@asynccontextmanager
async def client(address: str, *, connections: int = 100) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        yield Client(http, address)


@asynccontextmanager
async def somebody(address: str, *, connections: int = 100) -> AsyncIterator[Client]:
    """A new user, signed in."""
    async with client(address, connections=connections) as person:
        registered = await person.register()
        assert registered.status == 201, registered
        await person.sign_in()
        yield person
