"""GitHub's workflows: what they run is what a person would, and they give nothing away."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import ROOT, run, tool

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.iterdir())
NAMES = [str(path) for path in FILES]
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def jobs() -> dict[str, dict[str, Any]]:
    """Of all workflows, by their names."""
    return {name: job for path in FILES for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items()}


def test_actionlint_finds_nothing() -> None:
    # Neither is there on every machine; what they would find must not depend on it.
    looked = run(tool("actionlint"), "-no-color", "-shellcheck=", "-pyflakes=", *NAMES)

    assert (looked.returncode, looked.stdout + looked.stderr) == (0, "")


def test_zizmor_finds_nothing_even_as_an_auditor() -> None:
    looked = run(tool("zizmor"), "--offline", "--no-progress", "--persona=auditor", "--format=json", *NAMES)

    assert (looked.returncode, looked.stdout.strip()) == (0, "[]"), looked.stderr


@pytest.mark.parametrize(
    ("good", "bad", "linter"),
    [
        ("persist-credentials: false", "persist-credentials: true", "zizmor"),
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "@main", "zizmor"),
        ("run: .ci/run", 'run: echo "${{ github.head_ref }}" && .ci/run', "zizmor"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-04.24", "actionlint"),
        ("github.event_name != 'schedule'", "github.event_nam != 'schedule'", "actionlint"),
    ],
)
def test_what_is_wrong_is_found(good: str, bad: str, linter: str, tmp_path: Path) -> None:
    """Each linter finds what it is there for, so that its silence means something."""
    text = (FOLDER / "ci.yaml").read_text("utf-8")
    assert good in text
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ci.yaml").write_text(text.replace(good, bad), "utf-8")
    more = ("--offline", "--persona=auditor") if linter == "zizmor" else ("-shellcheck=",)

    assert run(tool(linter), *more, str(folder / "ci.yaml")).returncode != 0


def test_every_action_is_pinned_by_its_whole_hash_and_says_its_version() -> None:
    used = [line.strip() for path in FILES for line in path.read_text("utf-8").splitlines() if "uses:" in line]

    assert used
    assert [line for line in used if not PINNED.search(line)] == []


def test_no_job_may_do_more_than_read_or_has_a_secret() -> None:
    found = jobs()
    assert {name: job.get("permissions") for name, job in found.items()} == {key: {"contents": "read"} for key in found}
    assert [path for path in FILES if "secrets" in path.read_text("utf-8")] == []
    assert [name for name, job in found.items() if not job.get("timeout-minutes")] == []


def test_the_tests_have_the_whole_history_which_holds_the_previous_release() -> None:
    checkout = jobs()["test"]["steps"][0]

    assert checkout["with"]["fetch-depth"] == 0


def test_the_chart_and_the_audit_are_jobs_and_the_tests_are_those_of_every_machine() -> None:
    ran = {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs().items()}

    assert ran["test"].strip() == ".ci/run"
    assert "lint --strict helm/autograph" in ran["chart"]
    assert ran["audit"].strip() == "make audit"


@pytest.mark.parametrize("failing", ["nothing", "check", "test", "test-clients", "test-deploy"])
def test_what_ci_runs_checks_tests_and_tries_the_containers_and_fails_with_any_of_them(
    tmp_path: Path, failing: str
) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/ran\n[ "$1" != {failing} ]\n', "utf-8")
    make.chmod(0o755)

    done = run("env", f"PATH={tmp_path}:{os.environ['PATH']}", f"TMPDIR={tmp_path}", ".ci/run")

    assert (done.returncode == 0) == (failing == "nothing")
    beginning = {"web/node_modules/.installed", "check"}  # with Node.js there, the check includes the page
    targets = beginning if failing == "check" else {*beginning, "test", "test-clients", "test-deploy"}
    assert set((tmp_path / "ran").read_text("utf-8").split()) == targets
    assert {path.name for path in tmp_path.iterdir()} == {"make", "ran"}


def test_each_night_all_is_broken_and_each_week_the_audit_is_made_and_nothing_else_is() -> None:
    [workflow] = [yaml.safe_load(path.read_text("utf-8")) for path in FILES]
    # YAML 1.1 reads the key `on` as true.
    schedule = {entry["cron"] for entry in workflow[True]["schedule"]}
    ran = {tuple(cron.split()[2:]): scheduled(workflow["jobs"], cron) for cron in schedule}

    assert ran == {("*", "*", "*"): {"faults"}, ("*", "*", "1"): {"audit"}}
    assert "make faults" in str(workflow["jobs"]["faults"])


def scheduled(jobs: dict[str, dict[str, Any]], cron: str) -> set[str]:
    """Which jobs run at a time that *cron* names."""
    holds = {
        "github.event_name != 'schedule'": False,
        f"github.event.schedule == '{cron}'": True,
        f"github.event.schedule != '{cron}'": False,
    }
    return {
        name
        for name, job in jobs.items()
        if "if" not in job or holds.get(job["if"], "github.event.schedule !=" in job["if"])
    }
