"""Helm 3 and 4 render the chart for each set of values, and what they render is held to schemas."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from autograph.generate import COPIED
from tests.manifests.chart import CHART, HELMS, NAME, VALUES, Manifest, helm, of_kind, render
from tests.tools import ROOT, run, tool

VALIDATE = str(ROOT / "tests" / "manifests" / "validate.py")


def complaints(manifests: list[Manifest]) -> list[str]:
    said = run(tool("python"), VALIDATE, text=json.dumps(manifests))
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    found: list[str] = json.loads(said.stdout)
    return found


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("values", VALUES)
def test_helm_finds_nothing_wrong_with_the_chart(values: str, program: str) -> None:
    status, said, complaint = helm(program, "lint", "--strict", values=values)

    assert (status, complaint) == (0, ""), said + complaint
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[WARNING]" not in said


@pytest.mark.parametrize("upgrade", [(), ("--is-upgrade",)], ids=["install", "upgrade"])
@pytest.mark.parametrize("values", VALUES)
def test_both_versions_of_helm_render_the_same(values: str, upgrade: tuple[str, ...]) -> None:
    three, four = (render(values, *upgrade, program=program) for program in HELMS)

    assert {json.dumps(found, sort_keys=True) for found in three} == {
        json.dumps(found, sort_keys=True) for found in four
    }


def test_every_manifest_fits_the_schema_of_its_kind() -> None:
    manifests = [found for values in VALUES for how in ((), ("--is-upgrade",)) for found in render(values, *how)]
    each = {json.dumps(found, sort_keys=True): found for found in manifests}

    assert complaints(list(each.values())) == []


def test_every_kind_of_resource_is_rendered_by_some_values() -> None:
    assert {found["kind"] for values in VALUES for found in render(values)} == {
        "Cluster", "ConfigMap", "CronJob", "Deployment", "ExternalSecret", "Gateway", "HTTPRoute",
        "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy", "PersistentVolumeClaim", "Pod",
        "PodDisruptionBudget", "PodMonitor", "PrometheusRule", "RabbitmqCluster", "Redis", "Role", "RoleBinding",
        "ScaledObject", "Secret", "Service", "ServiceAccount", "ServiceMonitor", "TriggerAuthentication",
    }  # fmt: skip


def test_a_field_that_no_resource_has_is_noticed_in_every_kind() -> None:
    first: dict[str, Manifest] = {}
    for values in VALUES:
        for found in render(values):
            first.setdefault(found["kind"], copy.deepcopy(found))
    for found in first.values():
        found["speck"] = {}
    inside = [copy.deepcopy(found) for found in first.values() if "spec" in found]
    for found in inside:
        del found["speck"]
        found["spec"]["replicaz"] = 1

    assert {complaint.partition("/")[0] for complaint in complaints(list(first.values()))} == set(first)
    assert {complaint.partition("/")[0] for complaint in complaints(inside)} == {found["kind"] for found in inside}


def test_a_kind_that_no_schema_is_known_for_is_noticed() -> None:
    found = complaints([{"apiVersion": "example.org/v1", "kind": "Wonder", "metadata": {"name": "a"}}])

    assert found
    assert all("Couldn't find schema for kind Wonder" in complaint for complaint in found)


@pytest.mark.parametrize("values", VALUES)
def test_no_two_resources_have_one_name(values: str) -> None:
    names = [(found["kind"], found["metadata"]["name"]) for found in render(values)]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("values", ["external", "canary"])
def test_names_fit_a_label_with_the_longest_name_of_a_release(values: str) -> None:
    for found in render(values, "--set", f"fullnameOverride={'a' * 40}"):
        assert len(found["metadata"]["name"]) <= 63, found["metadata"]["name"]


def test_a_release_whose_name_says_autograph_does_not_say_it_twice() -> None:
    said = run(tool("helm4"), "template", "autograph", ".", folder=CHART)
    names = {found["metadata"]["name"] for found in yaml.safe_load_all(said.stdout) if found}

    assert "autograph-gateway" in names


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    """A copy of the chart with one file of rules and one dashboard, each with what Helm's own syntax looks like."""
    chart = tmp_path / "autograph"
    shutil.copytree(CHART, chart)
    shutil.rmtree(chart / "files", ignore_errors=True)
    for folder in ("rules", "dashboards"):
        (chart / "files" / folder).mkdir(parents=True)
    rule = {"alert": "Down", "expr": "up == 0", "annotations": {"summary": "{{ $labels.service }} is down"}}
    groups: dict[str, Any] = {"groups": [{"name": "edge", "rules": [rule]}]}
    (chart / "files/rules/edge_slo.yaml").write_text(yaml.safe_dump(groups), "utf-8")
    (chart / "files/dashboards/edge.json").write_text('{\n "title": "{{ service }}"\n}\n', "utf-8")
    return chart


def rendered(chart: Path) -> tuple[Manifest, ...]:
    said = run(tool("helm4"), "template", "shop", ".", "--values", "values-production.yaml", folder=chart)
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    return tuple(found for found in yaml.safe_load_all(said.stdout) if found)


def test_rules_and_dashboards_reach_the_cluster_as_they_stand(watched: Path) -> None:
    manifests = rendered(watched)
    rules = of_kind(manifests, "PrometheusRule")[f"{NAME}-edge-slo"]
    dashboard = of_kind(manifests, "ConfigMap")[f"{NAME}-dashboard-edge"]

    assert rules["spec"] == yaml.safe_load((watched / "files/rules/edge_slo.yaml").read_text("utf-8"))
    assert dashboard["data"] == {"edge.json": (watched / "files/dashboards/edge.json").read_text("utf-8")}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert complaints([rules, dashboard]) == []


def test_every_rule_and_dashboard_of_the_chart_reaches_the_cluster() -> None:
    manifests = render("production")
    files = {path.stem.replace("_", "-") for kind in COPIED for path in (CHART / "files" / kind).iterdir()}
    carried = {
        name.removeprefix(f"{NAME}-").removeprefix("dashboard-")
        for kind in ("PrometheusRule", "ConfigMap")
        for name, found in of_kind(manifests, kind).items()
        if kind == "PrometheusRule" or "grafana_dashboard" in found["metadata"]["labels"]
    }

    assert carried == files
