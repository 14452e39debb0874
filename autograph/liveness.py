"""Whether running processes respond: a stopped process, or one with a blocked event loop, still exists."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import aiohttp

NOT_ANSWERING: Final = "not answering"
TIMEOUT_SECONDS: Final = 5.0  # long enough for a busy machine
# For servers without HTTP, a request that each answers without authentication: PostgreSQL's SSLRequest, Redis' PING.
_GREETINGS: Final = {"postgres": bytes.fromhex("0000000804d2162f"), "redis": b"PING\r\n"}


async def mark_unresponsive(rows: Iterable[dict[str, Any]]) -> None:
    """Sets the state of running processes that do not respond within 5 s. All are probed concurrently."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as http:
        running = [(row, probe) for row in rows if row["state"] == "running" and (probe := _probe(http, row))]
        answers = await asyncio.gather(*(_is_responding(probe) for _, probe in running))
    for (row, _), answer in zip(running, answers, strict=True):
        if not answer:
            row["state"] = NOT_ANSWERING


def _probe(http: aiohttp.ClientSession, row: Mapping[str, Any]) -> Callable[[], Awaitable[None]] | None:
    # Any path will do: every HTTP server answers it, and metrics may take a while to collect.
    address = row["metrics_url"] or row["url"]
    if address:
        return lambda: _get(http, f"{address.removesuffix('/metrics')}/health/live")
    greeting = _GREETINGS.get(row["name"])
    return None if greeting is None else lambda: _send_greeting(row["host"], row["port"], greeting)


async def _is_responding(probe: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await probe()
    except (OSError, aiohttp.ClientError, asyncio.IncompleteReadError):  # a timeout is an OSError
        return False
    return True


async def _get(http: aiohttp.ClientSession, address: str) -> None:
    """Any status counts as a response; `autograph doctor` examines the state."""
    async with http.get(address):
        pass


async def _send_greeting(host: str, port: int, greeting: bytes) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(greeting)
        await reader.readexactly(1)
    finally:
        writer.close()
