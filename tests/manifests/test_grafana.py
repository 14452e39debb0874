"""The dashboards: as the code makes them, understood by Prometheus, and about metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.jobs.metrics import JobMetrics
from chassis.loops import Loops
from chassis.metrics import BusMetrics, HealthMetrics, LoopMetrics, PoolMetrics, RequestMetrics, process_registry
from compose.grafana.build import dashboards
from contracts.catalogue import WORKERS
from gateway.metrics import GatewayMetrics
from tests.monitoring import DASHBOARDS, RULES, programs
from tests.tools import ROOT, run
from workers.auth.metrics import AuthMetrics
from workers.diagram.archive.archiver import ArchiverMetrics
from workers.diagram.metrics import DiagramMetrics

BOARDS = dashboards()
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
# What Prometheus itself makes, and what other programs' exporters do (RabbitMQ 3.8 and later).
OF_OTHERS = re.compile(r"^(up|ALERTS|scrape_duration_seconds|rabbitmq_[a-z_]+|autograph:[a-z0-9_:]+)$")


def test_the_committed_dashboards_are_those_that_the_code_makes() -> None:
    assert {file.name: json.loads(file.read_text("utf-8")) for file in DASHBOARDS.glob("*.json")} == BOARDS


def test_provisioning_finds_the_dashboards_and_the_source_they_name() -> None:
    folder = ROOT / "compose" / "grafana" / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    [provider] = yaml.safe_load((folder / "dashboards" / "autograph.yaml").read_text())["providers"]
    for board in BOARDS.values():
        [variable] = board["templating"]["list"]
        assert (variable["name"], variable["current"]["value"]) == ("datasource", source["uid"])
    assert provider["options"]["path"] == "/etc/grafana/dashboards"


def test_no_two_dashboards_and_no_two_panels_are_taken_for_each_other() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for board in BOARDS.values():
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])


def test_no_panel_lies_over_another_or_beyond_the_grid() -> None:
    for board in BOARDS.values():
        taken: set[tuple[int, int]] = set()
        for place in (panel["gridPos"] for panel in board["panels"]):
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken
            assert place["x"] + place["w"] <= 24
            taken |= cells


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{board}: {panel['title']}" for board, panel in PANELS])
def test_each_panel_says_what_it_shows_in_which_unit(board: str, panel: dict[str, Any]) -> None:
    assert panel["description"].endswith("."), board
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


async def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    expressions = [
        target["expr"].replace("$__rate_interval", "1m") for _, panel in PANELS for target in panel["targets"]
    ]
    file = tmp_path / "rules.yaml"
    rules = [{"record": f"test:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = run(str(await programs() / "promtool"), "check", "rules", str(file))
    assert done.returncode == 0, done.stderr
    assert len(expressions) > len(PANELS)


def test_panels_and_rules_ask_for_metrics_that_there_are() -> None:
    known = _exposed()
    asked = {name for _, panel in PANELS for target in panel["targets"] for name in _names(target["expr"])}
    recorded = set()
    for file in RULES.glob("*.yaml"):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                asked |= _names(rule["expr"])
                recorded.add(rule.get("record"))
    assert {name for name in asked if name not in known and not OF_OTHERS.match(name)} == set()
    assert {name for name in asked if name.startswith("autograph:")} <= recorded


def _exposed() -> set[str]:
    registry = process_registry("test", "0")
    made = (
        GatewayMetrics, AuthMetrics, DiagramMetrics, BusMetrics, PoolMetrics, LoopMetrics,
        ArchiverMetrics, JobMetrics, Loops,
    )  # fmt: skip
    for make in made:
        make(registry)
    HealthMetrics(registry, dict)
    for worker in set(WORKERS) - {"auth", "diagram"}:  # whose metrics have these
        RequestMetrics(registry, f"{worker}_service")
    names = set()
    for family in registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


def _names(expression: str) -> set[str]:
    bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"|\b(by|without|on|ignoring)\s*\([^)]*\)|\[[^\]]*\]", " ", expression)
    words = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare))
    return words - FUNCTIONS


FUNCTIONS = {
    "sum", "max", "min", "count", "rate", "increase", "topk", "histogram_quantile", "vector", "absent", "time", "and",
    "label_replace",
    "or", "unless", "offset", "m",
}  # fmt: skip
