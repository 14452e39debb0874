"""A stack of containers, driven by Docker Compose."""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.tools import ROOT, tool

UP_SECONDS = 900  # with images to get and to build


class Containers:
    def __init__(self, project: str, files: Sequence[str], wanted: Sequence[str]) -> None:
        self.project = project
        self.image = f"{project}:image"
        self._files = [word for file in files for word in ("--file", file)]
        self._wanted = wanted
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")},
            **{f"AUTOGRAPH_{whose}_PORT": "0" for whose in ("HTTP", "GRAFANA", "PROMETHEUS", "MAIL")},
            "AUTOGRAPH_IMAGE": self.image,
        }

    def compose(self, *words: str) -> str:
        return self._run(tool("docker-compose"), "--project-name", self.project, *self._files, *words)

    def docker(self, *words: str) -> str:
        return self._run("docker", *words)

    def _run(self, *command: str) -> str:
        return subprocess.run(
            command, cwd=ROOT, env=self._environment, check=True, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=UP_SECONDS,
        ).stdout  # fmt: skip

    def up(self) -> None:
        self.compose("up", "--no-build", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), *self._wanted)

    def address(self) -> str:
        return f"http://{self.compose('port', 'gateway', '8080').strip()}"

    def inspect(self, service: str) -> dict[str, Any]:
        [container] = self.compose("ps", "--all", "--quiet", service).split()
        [found] = json.loads(self.docker("inspect", container))
        return dict(found)

    def inside(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    def network_of(self, name: str) -> str:
        return f"{self.project}_{name}"
