"""Workers that die at each point of a command's way through them."""

import pytest

from tests.eventually import eventually
from tests.faults.failpoints import POINTS
from tests.faults.report import Row
from tests.faults.scenario import under_load
from tests.faults.size import KILLS
from tests.faults.stack import FaultStack

EVERY = 7  # so that a worker lives long enough to have several commands in hand
# Where all that is in hand gets to before anything is done, fewer than a prefetch would let nothing be done at all.
SELDOM = {"before_transaction": 23}
ALSO_IN_MAKE_TEST = ("after_commit",)


@pytest.mark.parametrize(
    "point",
    [point if point in ALSO_IN_MAKE_TEST else pytest.param(point, marks=pytest.mark.matrix) for point in POINTS],
)
@pytest.mark.slow("kills workers again and again under load")
async def test_nothing_is_lost_or_done_twice_when_workers_are_killed_at(
    stack: FaultStack, rows: list[Row], point: str
) -> None:
    async with under_load(stack, rows, f"worker killed at {point}") as run:
        # What kills twice is parked, as it should be: these kills are meant for nobody in particular.
        stack.failpoints.arm(f"{point}=kill:every={SELDOM.get(point, EVERY)},times={KILLS},sparing=1")

        async def killed() -> bool:
            return stack.failpoints.fired()[point] >= KILLS

        await eventually(killed, within_seconds=30 + 4 * KILLS)
        run.count("kills", stack.failpoints.fired()[point])
        stack.failpoints.disarm()
        await run.recovered()
