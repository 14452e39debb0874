"""Rules and configuration of Prometheus and Alertmanager, by their own programs; and a page for each alert."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring import RULES, programs
from tests.tools import ROOT, run

PROMETHEUS = ROOT / "compose" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ["## What it means", "## Where to look", "## What to do"]


@pytest.fixture(scope="module")
async def binaries() -> Path:
    return await programs()


def rules() -> list[dict[str, Any]]:
    groups = [group for file in sorted(RULES.glob("*.yaml")) for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]
NAMES = [rule["alert"] for rule in ALERTS]


def test_prometheus_takes_the_configuration_and_the_rules(binaries: Path) -> None:
    done = run(str(binaries / "promtool"), "check", "config", str(PROMETHEUS / "prometheus.yaml"))
    assert done.returncode == 0, done.stderr
    checked = run(str(binaries / "promtool"), "check", "rules", "--lint-fatal", *map(str, RULES.glob("*.yaml")))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_where_it_must_and_nowhere_else(binaries: Path) -> None:
    done = run(str(binaries / "promtool"), "test", "rules", str(PROMETHEUS / "tests" / "alerts.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_of_both_kinds() -> None:
    tested = Counter(
        tuple(test["name"].split(":")[0].split(" ", 1))
        for test in yaml.safe_load((PROMETHEUS / "tests" / "alerts.yaml").read_text())["tests"]
        if test["name"].startswith("Autograph")
    )
    assert {name for name, verdict in tested if verdict == "fires"} == set(NAMES)
    # Nothing could keep the watchdog quiet.
    assert {name for name, verdict in tested if verdict == "is quiet"} == set(NAMES) - {"AutographWatchdog"}


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_each_alert_has_a_page_that_says_what_to_do(alert: dict[str, Any]) -> None:
    words = re.findall(r"[A-Z][a-z]*", alert["alert"].removeprefix("Autograph"))
    page = RUNBOOKS / f"{'-'.join(words).lower()}.md"
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{page.name}"
    text = page.read_text(encoding="utf-8")
    assert f"Alert `{alert['alert']}`." in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == SECTIONS


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_each_alert_says_how_urgent_it_is_and_shows_where_to_look(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("page", "ticket", "none")
    assert {"summary", "description", "dashboard"} <= alert["annotations"].keys()
    board = alert["annotations"]["dashboard"].removeprefix("autograph-")
    assert (ROOT / "compose" / "grafana" / "dashboards" / f"{board}.json").exists()


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_the_pages_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_alertmanager_takes_its_configuration_and_inhibits_by_names_that_there_are(binaries: Path) -> None:
    file = ROOT / "compose" / "alertmanager" / "alertmanager.yaml"
    done = run(str(binaries / "amtool"), "check-config", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    matchers = re.findall(r'alertname =~? "([^"]+)"', file.read_text())
    assert {name for matcher in matchers for name in matcher.split("|")} <= set(NAMES)
    assert matchers
