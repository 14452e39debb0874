"""The retry ladder."""

import pytest

from chassis.failures import RUNGS, Failure, error_location, next_rung


def test_a_transient_failure_climbs_every_rung_and_is_then_parked() -> None:
    assert [next_rung(Failure.TRANSIENT, attempt) for attempt in range(1, 6)] == [*RUNGS, None]


def test_a_bug_has_two_rungs() -> None:
    assert [next_rung(Failure.BUG, attempt) for attempt in range(1, 4)] == ["1s", "10s", None]


def test_a_failure_is_named_by_place_and_never_by_its_text() -> None:
    with pytest.raises(ValueError, match="hunter2") as caught:
        int("hunter2")

    named = error_location(caught.value)
    assert named.startswith("ValueError in test_a_failure_is_named")
    assert "hunter2" not in named
