"""Nobody waits for long without a word."""

import asyncio
from pathlib import Path

import pytest

from compose.local import progress
from compose.local.progress import now, reported
from tests.eventually import eventually


async def test_what_takes_long_is_said_again_and_again_with_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REPORT_EVERY_SECONDS", 0.01)
    said: list[tuple[str, str]] = []
    steps = iter(range(1_000_000))

    async def said_thrice() -> bool:
        return len(said) >= 3

    async with reported(
        lambda name, state: said.append((name, state)), "postgres", "getting", lambda: f"{next(steps)} MB"
    ):
        await eventually(said_thrice, within_seconds=10)

    assert said[:3] == [("postgres", "getting"), ("postgres", "getting: 0 MB"), ("postgres", "getting: 1 MB")]
    before = len(said)
    await asyncio.sleep(0.05)
    assert len(said) == before  # it is over


def test_a_shell_reads_the_same_clock() -> None:
    seconds = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    assert 0 <= now() - seconds < 1
