"""What was acknowledged is never lost and never done twice, whatever goes wrong at whichever operation."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.checker import Promise
from tests.simulation.loop import Stuck, run
from tests.simulation.plan import (
    CLIENTS,
    FAULTS,
    OPERATIONS,
    PLACES,
    STEPS,
    THEMES,
    Fault,
    Kind,
    Plan,
    Step,
    plan_of,
    smaller,
    without_one,
)
from tests.simulation.run import simulate

SEEDS = 200  # and five times as many by night
RARE = 3  # at least, of each kind of fault and of each rare way

PLANS = st.builds(
    Plan,
    seed=st.integers(0, 2**32),
    clients=st.lists(
        st.lists(st.sampled_from(Step), max_size=STEPS).map(tuple), min_size=1, max_size=CLIENTS
    ).map(tuple),
    faults=st.lists(
        st.builds(Fault, st.sampled_from(Kind), st.integers(1, OPERATIONS), st.sampled_from(("", *PLACES))),
        max_size=FAULTS,
    ).map(tuple),
)  # fmt: skip

# What the code must have met for the run to mean anything.
SOMETIMES = (
    "told again",  # the first outcome, from the inbox
    "refused",
    "redelivered",
    "published twice",
    "applied before",  # by the subscriber: its inbox knows the event
    "swept",
    "committed together",
    "group timed out",
    "retried",  # by the ladder
    "parked",
    "read from the cache",
    "not filled",  # since it was invalidated meanwhile
    "session from the cache",
    "session over",
    "late in redis",  # carried out when its sender had given up
)


@pytest.mark.parametrize("seeds", [range(SEEDS), pytest.param(range(SEEDS, 5 * SEEDS), marks=pytest.mark.matrix)])
@pytest.mark.slow("200 runs of the simulation")
def test_no_seed_breaks_a_promise_and_each_fault_was_among_them(seeds: range) -> None:
    fired: Counter[Kind] = Counter()
    seen: Counter[str] = Counter()
    for seed in seeds:
        result = simulate(plan_of(seed))
        assert not result.violations, f"python -m tests.simulation {seed}"
        fired += result.fired
        seen += result.seen

    assert {kind for kind in Kind if fired[kind] < RARE} == set()
    assert {what for what in SOMETIMES if seen[what] < RARE} == set()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(plan=PLANS)
@pytest.mark.slow("60 runs of the simulation")
def test_no_plan_that_hypothesis_thinks_of_breaks_a_promise(plan: Plan) -> None:
    assert not simulate(plan).violations


def test_a_plan_that_breaks_a_promise_is_made_small() -> None:
    def breaks_one(plan: Plan) -> bool:
        return Promise.UNHEARD in {violation.promise for violation in simulate(plan, sweeps=False).violations}

    kill = Fault(Kind.KILL, 1, "diagram committed")
    crowded = plan_of(THEMES.index("anything"))
    plan = smaller(replace(crowded, faults=(Fault(Kind.SLOW, 5), kill, Fault(Kind.DOUBLED, 9))), breaks_one)

    assert kill in plan.faults
    assert not any(map(breaks_one, without_one(plan)))


def test_a_seed_gives_the_same_run_each_time() -> None:
    first, second = simulate(plan_of(7)), simulate(plan_of(7))

    assert first.trace == second.trace
    assert [command.outcome for command in first.history.commands] == [
        command.outcome for command in second.history.commands
    ]


def test_the_loop_says_so_when_everything_waits() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck):
        run(forever())
