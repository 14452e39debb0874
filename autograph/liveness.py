"""Whether what runs also answers: a process that is stopped, or whose loop is blocked, is there all the same."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import aiohttp

NOT_ANSWERING: Final = "not answering"
TIMEOUT_SECONDS: Final = 5.0  # a machine that is busy is not a process that is stopped
# To servers without HTTP, what each answers to a stranger: PostgreSQL says whether it speaks TLS, Redis that a password
# is needed.
_GREETINGS: Final = {"postgres": bytes.fromhex("0000000804d2162f"), "redis": b"PING\r\n"}


async def mark_unresponsive(rows: Iterable[dict[str, Any]]) -> None:
    """Changes the state of those that run and do not answer within 5 s, all of them asked at once."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)) as http:
        running = [(row, probe) for row in rows if row["state"] == "running" and (probe := _probe(http, row))]
        answers = await asyncio.gather(*(_is_responding(probe) for _, probe in running))
    for (row, _), answer in zip(running, answers, strict=True):
        if not answer:
            row["state"] = NOT_ANSWERING


def _probe(http: aiohttp.ClientSession, row: Mapping[str, Any]) -> Callable[[], Awaitable[None]] | None:
    # A server's metrics may take a while to gather, and all servers of HTTP answer at any path.
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
    """Whatever the answer is: whether all is well is for `autograph doctor`."""
    async with http.get(address):
        pass


async def _send_greeting(host: str, port: int, greeting: bytes) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(greeting)
        await reader.readexactly(1)
    finally:
        writer.close()
