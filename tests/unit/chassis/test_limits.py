"""What a verdict says, and how a process counts by itself."""

from chassis.limits import Charge, LocalWindows, QuotaUsage, RateLimitDecision, RateLimitPolicy

USER = RateLimitPolicy("user", quota=3, window_seconds=60)
ADDRESS = RateLimitPolicy("address", quota=5, window_seconds=60)
ADA = Charge(USER, "ada")
HERE = Charge(ADDRESS, "192.0.2.1")


def test_the_headers_show_every_policy() -> None:
    decision = RateLimitDecision(allowed=True, usages=(QuotaUsage(USER, 1, 30), QuotaUsage(ADDRESS, 5, 12)))

    assert decision.rate_limit == '"user";r=2;t=30, "address";r=0;t=12'
    assert decision.rate_limit_policy == '"user";q=3;w=60, "address";q=5;w=60'


def test_a_refusal_names_the_policy_that_lasts_longest() -> None:
    decision = RateLimitDecision(allowed=False, usages=(QuotaUsage(USER, 3, 30), QuotaUsage(ADDRESS, 5, 42)))

    assert decision.refused_by == QuotaUsage(ADDRESS, 5, 42)
    assert decision.retry_after_seconds == 42


def test_who_is_allowed_is_refused_by_nothing() -> None:
    decision = RateLimitDecision(allowed=True, usages=(QuotaUsage(USER, 3, 30),))

    assert decision.refused_by is None
    assert decision.retry_after_seconds is None


def test_a_process_by_itself_allows_the_quota_and_no_more() -> None:
    windows = LocalWindows()

    allowed = [windows.check([ADA], now=float(second), count=True).allowed for second in range(5)]

    assert allowed == [True, True, True, False, False]


def test_a_window_ends_as_long_after_its_first_charge_as_the_policy_says() -> None:
    windows = LocalWindows()
    for second in range(4):
        windows.check([ADA], now=float(second), count=True)

    assert windows.check([ADA], now=59.9, count=True).usages == (QuotaUsage(USER, 3, 1),)
    assert windows.check([ADA], now=60.0, count=True).usages == (QuotaUsage(USER, 1, 60),)


def test_what_redis_last_said_counts_on_without_it() -> None:
    windows = LocalWindows()
    windows.store(ADA.key, counted=2, ends_at=30.0)

    assert windows.check([ADA], now=10.0, count=True).usages == (QuotaUsage(USER, 3, 20),)
    assert not windows.check([ADA], now=11.0, count=True).allowed


def test_a_charge_that_is_refused_costs_nothing_elsewhere() -> None:
    windows = LocalWindows()
    windows.store(ADA.key, counted=3, ends_at=60.0)

    assert not windows.check([ADA, HERE], now=0.0, count=True).allowed
    assert windows.check([HERE], now=0.0, count=False).usages == (QuotaUsage(ADDRESS, 0, 60),)


def test_looking_costs_nothing() -> None:
    windows = LocalWindows()

    for _ in range(10):
        assert windows.check([ADA], now=0.0, count=False).allowed
    assert len(windows) == 0


def test_the_window_that_was_used_longest_ago_makes_room() -> None:
    windows = LocalWindows(max_windows=2)
    for key in ("first", "second", "first", "third"):
        windows.store(key, counted=1, ends_at=60.0)

    assert len(windows) == 2
    assert windows.check([Charge(USER, "first")], now=0.0, count=False).allowed
    assert set(windows._windows) == {"first", "third"}


def test_what_was_given_back_was_never_counted() -> None:
    windows = LocalWindows()
    windows.refund(ADA.key)  # of nothing counted

    decisions = []
    for _ in range(5):
        decisions.append(windows.check([ADA], now=0.0, count=True))
        windows.refund(ADA.key)

    assert [decision.usages[0].counted for decision in decisions] == [1] * 5
