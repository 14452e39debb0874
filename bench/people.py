"""Simulated users for pictures of the dashboards; not a benchmark."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from bench.scene import ELEMENTS

PAUSE_SECONDS = (0.2, 0.6)
RUSH_PAUSE_SECONDS = 0.02
TIMEOUT = aiohttp.ClientTimeout(total=15)
PASSWORD = "correct horse"  # noqa: S105 - of accounts that live for this run
# Actions with their percentages.
HABITS = {"read": 66, "list": 10, "change": 12, "create": 4, "old version": 4, "delete": 2, "sign in": 2}
MAX_DIAGRAMS = 20


class Person:
    def __init__(self, http: aiohttp.ClientSession, base: str, name: str) -> None:
        self.answers: Counter[int] = Counter()  # by status; 0 is none
        self._http, self._base = http, base
        self._credentials = {"email": f"{name}@example.org", "password": PASSWORD}
        self._headers: dict[str, str] = {}
        self._mine: list[str] = []
        self._dice = random.Random(name)

    async def arrive(self) -> None:
        await self._ask("POST", "/api/auth/register", self._credentials)
        await self._sign_in()
        await self._create()

    async def work(self) -> None:
        """Until cancelled."""
        does = {
            "read": lambda: self._ask("GET", self._one()),
            "list": lambda: self._ask("GET", "/api/diagrams?limit=20"),
            "change": self._change,
            "create": self._create,
            "old version": lambda: self._ask("GET", f"{self._one()}/versions/1"),
            "delete": self._delete,
            "sign in": self._sign_in,
        }
        while True:
            [habit] = self._dice.choices(list(HABITS), list(HABITS.values()))
            await does[habit]()
            await asyncio.sleep(self._dice.uniform(*PAUSE_SECONDS))

    async def rush(self) -> None:
        """Reads almost without a pause, until cancelled: into the limit."""
        while True:
            await self._ask("GET", self._one())
            await asyncio.sleep(RUSH_PAUSE_SECONDS)

    async def guess(self) -> None:
        """Tries wrong passwords of accounts that there are not, one after the other, until cancelled."""
        while True:
            wrong = {"email": f"guess{self._dice.randrange(4)}@example.org", "password": "incorrect horse"}
            await self._ask("POST", "/api/auth/login", wrong)
            await asyncio.sleep(RUSH_PAUSE_SECONDS)

    def _one(self) -> str:
        return self._dice.choice(self._mine)

    async def _sign_in(self) -> None:
        answer = await self._ask("POST", "/api/auth/login", self._credentials)
        if "access_token" in answer:
            self._headers = {"Authorization": f"Bearer {answer['access_token']}"}

    async def _create(self) -> None:
        body = {"title": "Plan", "type": "canvas", "canvas_data": {"elements": ELEMENTS}}
        answer = await self._ask("POST", "/api/diagrams", body)
        if "id" in answer and len(self._mine) < MAX_DIAGRAMS:
            self._mine.append(f"/api/diagrams/{answer['id']}")

    async def _change(self) -> None:
        content = {"canvas_data": {"number": self._dice.random(), "elements": ELEMENTS}}
        await self._ask("PATCH", self._one(), content, {"If-Match": "*"})

    async def _delete(self) -> None:
        if len(self._mine) > 1:
            await self._ask("DELETE", self._mine.pop(0))

    async def _ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The response's body; empty after a failure."""
        asked = {**self._headers, **(headers or {})}
        try:
            async with self._http.request(method, f"{self._base}{path}", json=body, headers=asked) as answer:
                self.answers[answer.status] += 1
                reply = await answer.json(content_type=None) if answer.status < 400 else {}  # noqa: PLR2004 - refusals
        except (aiohttp.ClientError, TimeoutError):
            self.answers[0] += 1
            return {}
        return reply if isinstance(reply, dict) else {}


@asynccontextmanager
async def people(base: str, count: int) -> AsyncIterator[list[Person]]:
    """Users that are signed in; start their work as tasks."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as http:
        arrived = [Person(http, base, f"person{number}") for number in range(count)]
        for person in arrived:
            await person.arrive()
        yield arrived
