"""A test that takes longer than ten seconds says why in one line: ``@pytest.mark.slow("boots a stack twice")``.

The run's summary lists all of them. One that gives no reason fails when it takes three times as long; on a machine that
has more to do than it has processors, as many times longer.
"""

from collections.abc import Generator

import pytest

from tests.load import load

SLOW_SECONDS = 10.0
MAX_SECONDS_WITHOUT_REASON = 30.0
MAX_REASON_LENGTH = 100
# Marks of whole suites that say it already.
SUITES = {
    "clients": "generates and compiles a client",
    "deploy": "starts, stops and heals containers",
    "matrix": "breaks a system under load, and waits until it is whole again",
}
PROPERTY = "slow because"  # of a report: it travels from a worker process of xdist to the one that prints


class Durations:
    """A pytest plugin. Only a test's own call counts: what a shared fixture takes is no test's fault."""

    def __init__(self) -> None:
        self._slow: list[tuple[float, str, str]] = []

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        reason_of(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call":
            reason = reason_of(item)
            report.user_properties.append((PROPERTY, reason))
            if report.passed and not reason and call.duration > MAX_SECONDS_WITHOUT_REASON * load():
                report.outcome = "failed"
                report.longrepr = (
                    f"It took {call.duration:.0f} s and does not say why: make it quicker, or mark it"
                    f' with @pytest.mark.slow("one line")'
                )
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.duration > SLOW_SECONDS:
            reason = str(dict(report.user_properties).get(PROPERTY, ""))
            self._slow.append((report.duration, report.nodeid, reason))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._slow:
            terminalreporter.section(f"tests over {SLOW_SECONDS:.0f} s, and why")
        for seconds, name, reason in sorted(self._slow, reverse=True):
            terminalreporter.write_line(f"{seconds:6.1f} s  {name}: {reason or 'NO REASON GIVEN'}")


def reason_of(item: pytest.Item) -> str:
    """Of its mark or its suite's, or empty. Raises ``pytest.UsageError`` if the mark gives none, or not in one line."""
    mark = item.get_closest_marker("slow")
    if mark is None:
        return next((reason for suite, reason in SUITES.items() if item.get_closest_marker(suite)), "")
    match mark.args:
        case (str(reason),) if reason.strip() and "\n" not in reason and len(reason) <= MAX_REASON_LENGTH:
            return reason
    raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.slow takes one line that says why")
