"""A person at the published port."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.eventually import eventually

ACCEPTED = 202
CARRIED_OUT_SECONDS = 60
PASSWORD = "correct horse battery"


@asynccontextmanager
async def signed_in(address: str, email: str, *, register: bool = False) -> AsyncIterator[aiohttp.ClientSession]:
    """Raises ``aiohttp.ClientResponseError`` for every answer that refuses, here and in the session."""
    async with aiohttp.ClientSession(address, raise_for_status=True, timeout=aiohttp.ClientTimeout(total=30)) as client:
        account = {"email": email, "password": PASSWORD}
        if register:
            await carried_out(client, "/api/auth/register", account)
        async with client.post("/api/auth/login", json=account) as answer:
            client.headers["Authorization"] = f"Bearer {(await answer.json())['access_token']}"
        yield client


async def carried_out(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> None:
    """POSTs, and waits where that was only accepted: a busy worker may take longer than a request waits."""
    async with client.post(path, json=body) as answer:
        if answer.status != ACCEPTED:
            return
        place = answer.headers["Location"]

    async def done() -> bool:
        async with client.get(place) as outcome:
            status = (await outcome.json())["status"]
        if status == "failed":
            raise RuntimeError(f"{path} was accepted and then refused")
        return bool(status == "succeeded")

    await eventually(done, within_seconds=CARRIED_OUT_SECONDS)


def diagram(title: str) -> dict[str, Any]:
    return {"title": title, "type": "canvas", "canvas_data": {"elements": [{"id": title}]}}


async def titles(client: aiohttp.ClientSession) -> Counter[str]:
    """Of all of this person's diagrams, and how many have each."""
    found: Counter[str] = Counter()
    after: dict[str, str] = {}
    while True:
        async with client.get("/api/diagrams", params={"limit": "100", **after}) as answer:
            page = await answer.json()
        found.update(one["title"] for one in page["items"])
        if not page.get("next_cursor"):
            return found
        after = {"cursor": page["next_cursor"]}
