"""When a member that cannot reach Redis may speak."""

import pytest

from chassis.cache import Timing

TIMING = Timing(lease_seconds=2, renew_seconds=0.5, margin_seconds=0.5, reconciled_for_seconds=2, reconcile_seconds=0.5)


def test_nobody_reads_two_and_a_half_seconds_after_the_last_claim() -> None:
    assert TIMING.blocked_at(lease_requested_at=100.0, registered_at=0.0) == 102.5


def test_a_member_that_has_just_gone_on_record_waits_until_all_others_know_of_it() -> None:
    assert TIMING.blocked_at(lease_requested_at=100.0, registered_at=100.0) == 104.5
    assert TIMING.blocked_at(lease_requested_at=float("-inf"), registered_at=100.0) == 104.5


def test_a_lease_must_outlast_its_renewals() -> None:
    with pytest.raises(ValueError, match="renewals"):
        Timing(lease_seconds=1, renew_seconds=1)


def test_a_comparison_with_the_record_must_outlast_the_next_one() -> None:
    with pytest.raises(ValueError, match="outlast the next"):
        Timing(reconcile_seconds=3, reconciled_for_seconds=2)


def test_an_invalidation_ends_before_its_member_is_removed() -> None:
    with pytest.raises(ValueError, match="before its member is removed"):
        Timing(reconciled_for_seconds=3, dead_after_seconds=5)
