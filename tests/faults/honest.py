"""Clients that do what people do, at a pace that the shipped limits allow, and remember what they were promised."""

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from tests.system.client import PASSWORD

PAUSE_SECONDS = 0.7  # three requests each: below 100 a minute
ELEMENTS = 20


@dataclass(slots=True)
class Answer:
    kind: str
    status: int
    seconds: float
    code: str


@dataclass(slots=True)
class HonestClient:
    """Creates, reads and changes diagrams, and signs in again now and then."""

    http: aiohttp.ClientSession
    url: str
    email: str = field(default_factory=lambda: f"{uuid4().hex}@example.org")
    answers: list[Answer] = field(default_factory=list)
    promised: dict[str, str] = field(default_factory=dict)  # SHA-256 of the title that was acknowledged, by diagram
    _token: str = ""

    async def come_in(self) -> None:
        status, body = await self._ask("register", "POST", "/api/auth/register", self._credentials)
        assert status == 201, body
        await self.sign_in()

    async def sign_in(self) -> int:
        status, body = await self._ask("sign in", "POST", "/api/auth/login", self._credentials)
        if status == 200:
            self._token = body["access_token"]
        return status

    async def work(self, stop: asyncio.Event) -> None:
        rounds = 0
        while not stop.is_set():
            await self._round()
            rounds += 1
            if rounds % 10 == 0:
                await self.sign_in()

    async def _round(self) -> None:
        elements = [{"id": uuid4().hex, "type": "rectangle", "x": n, "y": n * 1.5} for n in range(ELEMENTS)]
        title = uuid4().hex
        body = {"title": title, "type": "canvas", "canvas_data": {"elements": elements}}
        created, diagram = await self._insist("create", "POST", "/api/diagrams", body)
        if not created:
            return
        self.promised[diagram["id"]] = _digest(title)
        await self._pause()
        await self._ask("read", "GET", f"/api/diagrams/{diagram['id']}")
        await self._pause()
        title = uuid4().hex
        changed, _ = await self._insist("change", "PATCH", f"/api/diagrams/{diagram['id']}", {"title": title})
        if changed:
            self.promised[diagram["id"]] = _digest(title)
        else:
            del self.promised[diagram["id"]]  # which of the two it is was never said
        await self._pause()

    async def broken_promises(self) -> list[str]:
        """Of what was acknowledged, what is not so."""
        broken = []
        for diagram, digest in self.promised.items():
            status, body = await self._ask("check", "GET", f"/api/diagrams/{diagram}")
            if status != 200 or _digest(body["title"]) != digest:
                broken.append(f"{diagram}: {status}")
        return broken

    @property
    def _credentials(self) -> dict[str, str]:
        return {"email": self.email, "password": PASSWORD}

    async def _insist(self, kind: str, method: str, path: str, body: Any) -> tuple[bool, Any]:
        """Repeats under one idempotency key until it knows. Whether it was done, and the reply."""
        key = {"Idempotency-Key": f'"{uuid4().hex}"'}
        for _ in range(20):
            status, reply = await self._ask(kind, method, path, body, key)
            if status in (200, 201):
                return True, reply
            await self._pause()
        return False, None

    async def _ask(
        self, kind: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        sent = dict(headers or {})
        if self._token and kind != "sign in":
            sent["Authorization"] = f"Bearer {self._token}"
        began, status, reply = time.monotonic(), 0, None
        try:
            async with self.http.request(method, f"{self.url}{path}", json=body, headers=sent) as response:
                status = response.status
                reply = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass
        code = reply.get("code", "") if isinstance(reply, dict) else ""
        self.answers.append(Answer(kind, status, time.monotonic() - began, code))
        return status, reply

    @staticmethod
    async def _pause() -> None:
        await asyncio.sleep(PAUSE_SECONDS)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
