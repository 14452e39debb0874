"""A stack of containers, driven by Docker Compose."""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.tools import ROOT, tool

UP_SECONDS = 900  # with images to get and to build


class Containers:
    def __init__(self, project: str, files: Sequence[str]) -> None:
        self.project = project
        self.files = files
        self._files = [word for file in files for word in ("--file", file)]
        self._images = [f"{project}:application", f"{project}:operator"]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")},
            **{f"AUTOGRAPH_{whose}_PORT": "0" for whose in ("HTTP", "GRAFANA", "PROMETHEUS", "MAIL")},
            **dict(zip(("AUTOGRAPH_IMAGE", "AUTOGRAPH_OPERATOR_IMAGE"), self._images, strict=True)),
        }

    def compose(self, *words: str) -> str:
        return self._run(tool("docker-compose"), "--project-name", self.project, *self._files, *words)

    def docker(self, *words: str) -> str:
        return self._run("docker", *words)

    def _run(self, *command: str) -> str:
        try:
            return subprocess.run(
                command, cwd=ROOT, env=self._environment, check=True, capture_output=True, text=True,
                stdin=subprocess.DEVNULL, timeout=UP_SECONDS,
            ).stdout  # fmt: skip
        except subprocess.CalledProcessError as error:
            error.add_note(f"{error.stdout}{error.stderr}")
            raise

    def build(self) -> None:
        """Each image once, although several services have the same."""
        services = json.loads(self.compose("--profile", "*", "config", "--format", "json"))["services"]
        built = {found["image"]: name for name, found in services.items() if "build" in found}
        self.compose("--profile", "*", "build", *built.values())

    def up(self, *services: str) -> None:
        self.compose("up", "--no-build", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), *services)

    def remove(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "30")
        subprocess.run(("docker", "image", "rm", "--force", *self._images), env=self._environment, check=False)

    def told(self) -> str:
        """How each container is, and the end of what it logged: for whoever reads of a failure."""
        return self.compose("ps", "--all") + self.compose("logs", "--no-color", "--tail", "20")

    def address(self, service: str = "gateway", port: int = 8080) -> str:
        return f"http://{self.compose('port', service, str(port)).strip()}"

    def operator(self, *words: str) -> str:
        return self.compose("run", "--rm", "--no-deps", "-T", "operator", *words)

    def piped(self, service: str, *command: str, given: bytes = b"") -> bytes:
        """What *command* wrote, in a container of its own of *service*, of what it was given to read."""
        program, *words = command
        once = ("run", "--rm", "--no-deps", "-T", "--entrypoint", program, service, *words)
        return subprocess.run(
            (tool("docker-compose"), "--project-name", self.project, *self._files, *once), cwd=ROOT,
            env=self._environment, input=given, check=True, stdout=subprocess.PIPE, timeout=UP_SECONDS,
        ).stdout  # fmt: skip

    def inspect(self, service: str) -> dict[str, Any]:
        [container] = self.compose("ps", "--all", "--quiet", service).split()
        [found] = json.loads(self.docker("inspect", container))
        return dict(found)

    def inside(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    def kill(self, service: str) -> None:
        """As a crash does: for Docker, which did not ask for it, a reason to start it again, as `docker kill` is not.

        From outside of its container, where no process is protected from its namespace's signals.
        """
        process = self.inspect(service)["State"]["Pid"]
        outside = ("--pid", "host", "--user", "0", "--cap-drop", "ALL", "--cap-add", "KILL", "--network", "none")
        self.docker("run", "--rm", *outside, self._images[0], "sh", "-c", f"kill -KILL {process}")

    def network_of(self, name: str) -> str:
        return f"{self.project}_{name}"

    def volume_of(self, name: str) -> str:
        return f"{self.project}_{name}"
