"""What the doctor says, and what all its parts ask."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from chassis.database import OwnConnection

CHECK_SECONDS: Final = 30.0
SKEW_WARNED_SECONDS, SKEW_WRONG_SECONDS = 1.0, 5.0  # tokens bear 30 s, deadlines little more than a second


@dataclass(frozen=True, slots=True)
class Finding:
    """*code* is stable, and a heading of the runbook; *error*: something does not work, else it will not for long."""

    code: str
    error: bool
    what: str
    do: str


def skew(server: str, told: float, before: float) -> list[Finding]:
    """*told* by the server at some time between *before*, by our clock, and now."""
    apart = told - min(max(told, before), time.time())
    if abs(apart) <= SKEW_WARNED_SECONDS:
        return []
    what = f"{server}'s clock is {apart:+.1f} s apart from this machine's"
    return [Finding("clock_skew", abs(apart) > SKEW_WRONG_SECONDS, what, "synchronise the clocks (NTP)")]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(url, timeout=5, command_timeout=CHECK_SECONDS)
    try:
        yield connection
    finally:
        await connection.close()
