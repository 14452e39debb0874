"""What health answers, and how little its checks cost those that are checked."""

import asyncio

import pytest

from chassis.health import Health


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Dependency:
    """Counts how often it was asked; fails while it is unavailable."""

    def __init__(self) -> None:
        self.asked = 0
        self.away: BaseException | None = None

    async def ping(self) -> None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away is not None:
            raise self.away


def serving(clock: Clock | None = None) -> Health:
    health = Health("1.2.3", clock=clock or Clock())
    health.serving()
    return health


async def test_a_process_is_ready_only_between_start_and_drain() -> None:
    health = Health("1.2.3")
    phases = [await health.ready()]
    health.serving()
    phases.append(await health.ready())
    health.draining()
    phases.append(await health.ready())
    health.serving()
    phases.append(await health.ready())

    assert [(report.status, report.good) for report in phases] == [
        ("starting", False),
        ("ok", True),
        ("draining", False),
        ("draining", False),
    ]


async def test_a_report_names_version_checks_and_latency() -> None:
    health = serving()
    health.check("postgres", Dependency().ping)

    report = (await health.ready()).as_json()

    checks = report.pop("checks")
    assert report == {"status": "ok", "version": "1.2.3"}
    assert isinstance(checks, dict)
    assert checks["postgres"].keys() == {"status", "latency_ms"}
    assert checks["postgres"]["status"] == "ok"
    assert 0 <= checks["postgres"]["latency_ms"] < 1000


@pytest.mark.parametrize(("needed", "status", "good"), [(True, "unavailable", False), (False, "degraded", True)])
async def test_only_a_needed_part_that_is_away_takes_readiness(needed: bool, status: str, good: bool) -> None:  # noqa: FBT001  # pytest's parameters
    health = serving()
    away = Dependency()
    away.away = ConnectionRefusedError()
    health.check("part", away.ping, needed=needed)
    health.check("other", Dependency().ping)

    report = await health.ready()

    assert (report.status, report.good) == (status, good)
    assert {name: finding.ok for name, finding in report.checks.items()} == {"part": False, "other": True}


async def test_a_part_that_is_away_asks_for_no_restart() -> None:
    health = serving()
    away = Dependency()
    away.away = ConnectionRefusedError()
    health.check("postgres", away.ping)

    assert (await health.live()).good
    assert away.asked == 0


async def test_a_vital_part_that_fails_asks_for_a_restart() -> None:
    health = serving()
    stuck = Dependency()
    stuck.away = RuntimeError("consumers are gone")
    health.check("consumers", stuck.ping, vital=True)

    assert not (await health.live()).good
    assert not (await health.ready()).good


async def test_a_probe_that_hangs_fails_after_its_timeout() -> None:
    health = serving()
    health.check("frozen", asyncio.Event().wait, timeout_seconds=0.02)

    report = await health.ready()

    assert not report.good
    assert 0.02 <= report.checks["frozen"].latency_seconds < 5


async def test_a_cancellation_that_a_client_library_throws_is_a_finding() -> None:
    health = serving()
    lost = Dependency()
    lost.away = asyncio.CancelledError()
    health.check("rabbitmq", lost.ping)

    assert not (await health.ready()).good


async def test_who_gives_up_asking_leaves_no_finding_behind() -> None:
    health = serving()
    answers = asyncio.Event()
    health.check("slow", answers.wait, timeout_seconds=60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await health.ready()
    answers.set()

    assert (await health.ready()).good


async def test_many_who_ask_at_once_make_one_probe() -> None:
    health = serving()
    asked = Dependency()
    health.check("postgres", asked.ping)

    reports = await asyncio.gather(*(health.ready() for _ in range(50)))

    assert all(report.good for report in reports)
    assert asked.asked == 1


async def test_a_finding_is_asked_anew_once_it_is_not_fresh() -> None:
    clock = Clock()
    health = serving(clock)
    asked = Dependency()
    health.check("postgres", asked.ping)

    await health.ready()
    asked.away = ConnectionResetError()
    clock.now += 0.9
    still = await health.ready()
    clock.now += 0.1
    now = await health.ready()

    assert (still.good, now.good, asked.asked) == (True, False, 2)


def test_two_checks_cannot_share_a_name() -> None:
    health = Health("1.2.3")
    health.check("postgres", Dependency().ping)

    with pytest.raises(ValueError, match="postgres"):
        health.check("postgres", Dependency().ping)


async def test_what_was_last_found_is_told_without_asking_again() -> None:
    health, dependency = serving(), Dependency()
    health.check("redis", dependency.ping, needed=False)
    assert health.last_results() == {}
    dependency.away = ConnectionError()
    await health.ready()

    assert health.last_results() == {"redis": False}
    assert dependency.asked == 1
