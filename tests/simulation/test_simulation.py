"""What was acknowledged is never lost and never done twice, whatever goes wrong at whichever operation."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from chassis import unit_of_work
from chassis.bus.ports import Delivery, Receipt
from chassis.bus.settling import Deliver
from chassis.cache import reader
from chassis.redis import Script
from tests.faults.checker import Promise
from tests.simulation import services
from tests.simulation.loop import Stuck, run
from tests.simulation.plan import CLIENTS, FAULTS, OPERATIONS, STEPS, Fault, Kind, Plan, Step, plan_of
from tests.simulation.run import simulate

SEEDS = 1_000
RARE = SEEDS // 50
SEEDS_FOR_A_BUG = 400  # each of the four is found in far fewer

faults = st.builds(Fault, st.sampled_from(Kind), st.integers(1, OPERATIONS))
plans = st.builds(
    Plan,
    seed=st.integers(0, 2**32),
    clients=st.lists(
        st.lists(st.sampled_from(Step), max_size=STEPS).map(lambda steps: (Step.CREATE, *steps)),
        min_size=1,
        max_size=CLIENTS,
    ).map(tuple),
    faults=st.lists(faults, max_size=FAULTS).map(tuple),
)


def test_no_seed_breaks_a_promise_and_each_fault_was_among_them() -> None:
    fired: Counter[Kind] = Counter()
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        result = simulate(plan_of(seed))
        assert not result.violations, f"python -m tests.simulation {seed}"
        fired += result.fired
        seen += result.seen

    assert all(fired[kind] >= RARE for kind in Kind), fired
    assert all(seen[what] >= RARE for what in SOMETIMES), seen


# What the code must have met for the run to mean anything.
SOMETIMES = (
    "told again",  # the first outcome, from the inbox
    "refused",
    "redelivered",
    "published twice",
    "applied before",  # by the subscriber: its inbox knows the event
    "swept",
    "committed together",
    "read from the cache",
    "not filled",  # since it was invalidated meanwhile
)


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans)
def test_no_plan_that_hypothesis_thinks_of_breaks_a_promise(plan: Plan) -> None:
    assert not simulate(plan).violations


def test_hypothesis_makes_a_plan_that_breaks_a_promise_small() -> None:
    def breaks_one(plan: Plan) -> bool:
        return Promise.UNHEARD in {violation.promise for violation in simulate(plan, sweeps=False).violations}

    plan = find(plans, breaks_one, settings=settings(max_examples=500, deadline=None, derandomize=True))

    # Which seed is left says nothing: how long each operation takes decides what a fault at some operation meets.
    assert len(plan.faults) == 1
    assert sum(map(len, plan.clients)) <= 6


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


# Bugs that were put in on purpose: whoever makes one of them again is found out.


def test_without_the_inbox_something_is_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = unit_of_work._identity

    def another(*args: Any) -> Any:
        consumer, actor, _, *rest = identity(*args)
        return consumer, actor, uuid4(), *rest

    monkeypatch.setattr(unit_of_work, "_identity", another)

    assert Promise.DOUBLED in broken()


def test_acknowledged_before_the_commit_something_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def settle(delivery: Delivery, deliver: Deliver, receipt: Receipt) -> None:
        await receipt.acknowledge()
        await deliver(delivery)

    monkeypatch.setattr(services, "settle", settle)

    assert Promise.LOST in broken()


def test_without_the_generation_check_a_read_is_older_than_what_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = [line for line in reader.FILL.source.splitlines() if "~= generation" in line]
    assert len(checked) == 1
    monkeypatch.setattr(reader, "FILL", Script(reader.FILL.source.replace(checked[0], "")))

    assert Promise.STALE in broken()


def test_without_the_sweep_an_event_is_never_published() -> None:
    assert Promise.UNHEARD in broken(sweeps=False)


def broken(*, sweeps: bool = True) -> Iterator[Promise]:
    """Each promise that a seed broke, as they are found."""
    for seed in range(SEEDS_FOR_A_BUG):
        yield from (violation.promise for violation in simulate(plan_of(seed), sweeps=sweeps).violations)
