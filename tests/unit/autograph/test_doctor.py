"""What the doctor makes of what it saw."""

import time
from datetime import UTC, datetime, timedelta

from autograph.doctor import compare_objects, skew

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_a_clock_is_compared_with_the_time_that_asking_took() -> None:
    now = time.time()
    assert skew("redis", now - 3, now - 4) == []
    [late] = skew("redis", now - 3, now)
    assert (late.code, late.error) == ("clock_skew", False)
    [early] = skew("redis", now + 60, now)
    assert (early.code, early.error) == ("clock_skew", True)


def test_an_archived_version_without_its_object_is_an_error_and_an_object_without_a_version_is_not() -> None:
    stored = {"a": NOW, "old": NOW - timedelta(days=2)}
    found = compare_objects({"a", "lost"}, stored, NOW)
    assert [(one.code, one.error) for one in found] == [("objects_missing", True), ("objects_orphaned", False)]


def test_an_object_that_has_just_been_stored_is_no_orphan() -> None:
    assert compare_objects(set(), {"new": NOW - timedelta(hours=1)}, NOW) == []
