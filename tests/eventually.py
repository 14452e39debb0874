"""Waiting for what will be so, instead of sleeping and hoping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.load import load

T = TypeVar("T")

POLL_SECONDS = 0.02


async def eventually(check: Callable[[], Awaitable[T]], *, within_seconds: float = 10.0) -> T:
    """The first truthy answer of *check*; its last failure, or ``AssertionError``, once the time has passed.

    On a machine with more to do than it has processors, as many times longer.
    """
    within_seconds *= load()
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            answer = await check()
        except (AssertionError, OSError):
            if time.monotonic() > deadline:
                raise
        else:
            if answer:
                return answer
            assert time.monotonic() <= deadline, f"{check} was not so within {within_seconds:.0f} s"
        await asyncio.sleep(POLL_SECONDS)
