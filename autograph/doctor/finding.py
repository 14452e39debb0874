"""The doctor's findings, and checks that several servers share."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from chassis.database import DirectConnection

CHECK_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 5
SKEW_WARNING_SECONDS, SKEW_ERROR_SECONDS = 1.0, 5.0  # tokens tolerate 30 s, deadlines little more than a second
SKEW_ATTEMPTS, SKEW_PAUSE_SECONDS = 3, 0.5


@dataclass(frozen=True, slots=True)
class Finding:
    """*code* is stable, and a heading of the runbook; *error*: something is broken now, else it soon will be."""

    code: str
    error: bool
    what: str
    do: str


async def skew(server: str, ask: Callable[[], Awaitable[float]], *, resolution_seconds: float = 0.0) -> list[Finding]:
    """Compares this machine's clock with the server's time from *ask*, which is truncated to *resolution_seconds*.

    A stalling machine can delay a single answer, so an offset is measured again before it is reported.
    """
    for remaining in reversed(range(SKEW_ATTEMPTS)):
        before = time.time()
        server_time = await ask()
        offset_seconds = _between((server_time, server_time + resolution_seconds), (before, time.time()))
        if abs(offset_seconds) <= SKEW_WARNING_SECONDS:
            return []
        if remaining:
            await asyncio.sleep(SKEW_PAUSE_SECONDS)
    what = f"{server}'s clock is {offset_seconds:+.1f} s apart from this machine's"
    return [Finding("clock_skew", abs(offset_seconds) > SKEW_ERROR_SECONDS, what, "synchronise the clocks (NTP)")]


def _between(theirs: tuple[float, float], ours: tuple[float, float]) -> float:
    """The distance of the interval *theirs* behind *ours* (negative: before it); 0 if they overlap."""
    return max(theirs[0] - ours[1], 0.0) + min(theirs[1] - ours[0], 0.0)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[DirectConnection]:
    """Raises only asyncpg's errors, so that checks of other servers can tell that PostgreSQL failed."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=CHECK_SECONDS)
    except OSError as error:  # also a timeout
        silent = f"does not answer within {CONNECT_SECONDS} s"
        raise asyncpg.PostgresConnectionError(str(error) or silent) from error
    try:
        yield connection
    finally:
        await connection.close()
