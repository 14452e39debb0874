"""The compose files as Docker Compose itself reads them."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from contracts.services import SERVICES as ENTRIES
from tests.tools import ROOT, run, tool

FOLDER = ROOT / "compose"
COMPOSE = FOLDER / "compose.yaml"
DEVELOPMENT = FOLDER / "compose.dev.yaml"

JOBS = ("secrets", "migrate", "operator")
SERVICES = tuple(service.name for service in ENTRIES)
OURS = (*JOBS, *SERVICES)
SERVERS = ("postgres", "redis", "rabbitmq", "s3")


def compose(*words: str, env_file: Path = Path(os.devnull)) -> subprocess.CompletedProcess[str]:
    """Docker Compose with the variables of *env_file* and none of this process' own."""
    return run("env", "-i", f"PATH={os.environ['PATH']}", tool("docker-compose"), "--env-file", str(env_file), *words)


def config(*files: Path, env_file: Path = Path(os.devnull)) -> str:
    """Whole: all profiles, anchors and variables resolved, as JSON. Fails on whatever Compose has to say of it."""
    named = [word for file in files or (COMPOSE,) for word in ("-f", str(file))]
    done = compose(
        *named, "--profile", "*", "config", "--no-env-resolution", "--format", "json", env_file=env_file
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@cache
def rendered(*files: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config(*files))
    return found


def services(*files: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = rendered(*files)["services"]
    return found
