"""All published names of a checkout, this one or a previous release's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.published import documents, sources
from tests.upgrade.releases import previous_version_and_commit

FOLDER = Path(__file__).parent
PROBE = FOLDER / "probe.py"


def published_names(root: Path) -> dict[str, Any]:
    """Kind → name → what it means. Reads the generated documents and the code in *root*, of any release."""
    openapi = json.loads((root / "docs" / "openapi.json").read_text("utf-8"))
    asyncapi = yaml.load((root / "docs" / "asyncapi.yaml").read_text("utf-8"), yaml.CSafeLoader)
    modules = sources.parsed(root)
    return {
        "http": documents.http_names(openapi),
        "problem": documents.problem_fields(openapi),
        "envelopes": documents.envelope_fields(asyncapi),
        "messages": documents.message_names(asyncapi),
        "problem_members": sources.problem_members(modules),
        "metrics": sources.metrics(modules),
        "settings": sources.settings(modules),
        "log_events": sources.log_events(modules),
        "findings": sources.findings(modules),
        "command_json": sources.command_json(modules),
        "alerts": _rules(root, "alert"),
        "recorded": _rules(root, "record"),
        **_probed(root),
    }


def last_releases_names() -> dict[str, Any]:
    """As they were written down when the release was cut."""
    version, _ = previous_version_and_commit()
    names: dict[str, Any] = json.loads((FOLDER / f"{version}.json").read_text("utf-8"))
    return names


def _rules(root: Path, kind: str) -> list[str]:
    files = sorted((root / "compose" / "prometheus" / "rules").glob("*.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    return sorted({rule[kind] for group in groups for rule in group["rules"] if kind in rule})


def _probed(root: Path) -> dict[str, Any]:
    """What only the running code says, in a process of its own: *root* may be another release."""
    done = subprocess.run(
        [sys.executable, PROBE], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
