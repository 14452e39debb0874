"""What is said while something is made or started: who, and how far. Standard library only."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

REPORT_EVERY_SECONDS = 2.0  # at most this between reports on work that takes long

Report = Callable[[str, str], None]  # name, state


def unheard(_name: str, _state: str) -> None:
    """For whoever is not to be told."""


def now() -> float:
    """Seconds since the machine booted, as the first word of /proc/uptime: a shell and Python read the same clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def reporter(began: float) -> Report:
    """Prints a line for each report, with the seconds since *began*, a moment of ``now``."""

    def report(name: str, state: str) -> None:
        print(line(now() - began, name, state), flush=True)  # noqa: T201 - progress

    return report


def line(seconds: float, name: str, state: str) -> str:
    return f"{seconds:6.1f} s  {name:<10} {state}"


@asynccontextmanager
async def reported(
    report: Report, name: str, doing: str, how_far: Callable[[], str] = lambda: ""
) -> AsyncIterator[None]:
    """Reports *doing* as the block begins and every ``REPORT_EVERY_SECONDS`` until it ends, then with *how_far*.

    Without *how_far* the seconds that have passed are reported.
    """
    report(name, doing)
    async with repeated(report, name, doing, how_far):
        yield


@asynccontextmanager
async def repeated(
    report: Report, name: str, doing: str, how_far: Callable[[], str] = lambda: ""
) -> AsyncIterator[None]:
    """As ``reported``, of which the beginning has been said."""
    began = now()

    async def repeat() -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_SECONDS)
            report(name, f"{doing}: {how_far() or f'{now() - began:.0f} s'}")

    repeating = asyncio.create_task(repeat())
    try:
        yield
    finally:
        repeating.cancel()
