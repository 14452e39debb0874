"""One process's clock is wrong: a little, as on machines that keep time badly, and by far."""

import asyncio
from pathlib import Path

import pytest

from tests.debian import unpacked_faketime
from tests.faults.clients import at_work
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import LONG
from tests.faults.stack import FaultStack

pytestmark = pytest.mark.matrix

WRONG_SECONDS = 10.0 if LONG else 6.0  # for how long it works along
LITTLE = ("+5", "-5")
FAR = ("+600", "-600") if LONG else ("+600",)


@pytest.fixture(scope="session")
def faketime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked_faketime(tmp_path_factory.mktemp("faketime"))


def lied_to(library: Path, seconds: str) -> dict[str, str]:
    """The monotonic clock is nobody's to set, and goes on as it is."""
    return {"LD_PRELOAD": str(library), "FAKETIME": seconds, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("seconds", LITTLE)
async def test_a_clock_that_is_seconds_off_is_noticed_by_nobody(
    stack: FaultStack, rows: list[Row], faketime: Path, seconds: str
) -> None:
    lies = lied_to(faketime, seconds)
    async with (
        stack.another("gateway", **lies) as gateway,
        stack.another("diagram", **lies),
        stack.another("auth", **lies),
        under_load(stack, rows, f"clocks of a gateway and two workers {seconds} s off", address=gateway.address) as run,
    ):
        run.count("processes", 3)
        await asyncio.sleep(WRONG_SECONDS)
        await run.recovered()
        assert run.failed() == []
        assert run.told.signed_out == []


@pytest.mark.parametrize("seconds", FAR)
async def test_what_was_acknowledged_stands_though_a_worker_is_ten_minutes_off(
    stack: FaultStack, rows: list[Row], faketime: Path, seconds: str
) -> None:
    async with (
        stack.another("diagram", **lied_to(faketime, seconds)),
        under_load(stack, rows, f"a worker's clock {seconds} s off") as run,
    ):
        run.count("processes")
        await asyncio.sleep(WRONG_SECONDS)
        await run.recovered()
        # It takes queries for expired, and their askers hear that nobody answered; nothing worse.
        assert {one.status for one in run.told.requests if one.status >= 500} <= {504}
        assert run.told.signed_out == []


async def test_a_gateway_that_is_ten_minutes_ahead_loses_nothing(
    stack: FaultStack, rows: list[Row], faketime: Path
) -> None:
    """One that is ten minutes behind hears no worker, and so is never ready."""
    async with (
        stack.another("gateway", **lied_to(faketime, "+600")) as gateway,
        under_load(stack, rows, "a gateway's clock +600 s off") as run,
        at_work(gateway.address, clients=1, seed=3) as others,
    ):
        run.count("processes")
        await asyncio.sleep(WRONG_SECONDS)
        statuses = others.told.statuses()
        run.notes.append(f"answers of that gateway by status: {statuses}")
        assert {status for status in statuses if status >= 500} <= {504}
        await run.recovered()
        assert run.failed() == []
