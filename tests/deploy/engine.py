"""The Docker engine that the stack is tried on: the one that answers here, else one of our own for this run."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from compose.local.home import Home, OperatorError
from tests.deploy.own_engine import own_engine

OLDEST = 20  # has BuildKit; what compose.yaml asks for beyond it is left out by an override
START_INTERVAL_SINCE = 25
ANSWER_SECONDS = 30
# Of an image that is not to be had, a registry says so at once; a network that swallows everything says nothing.
PULL_SECONDS = 300
WAY_OUT = (
    "start a Docker engine that this user may use, or run this as root on Debian or Ubuntu, where it brings its own"
)


@dataclass(frozen=True, slots=True)
class Engine:
    environment: Mapping[str, str]  # with `docker` first on the PATH
    major: int
    ours: bool  # nothing of it is left after the run

    def docker(self, *words: str, seconds: float = ANSWER_SECONDS) -> subprocess.CompletedProcess[str]:
        return _docker(self.environment, *words, seconds=seconds)

    def has(self, image: str) -> bool:
        return self.docker("image", "inspect", image).returncode == 0

    def can_get(self, image: str) -> bool:
        try:
            return self.has(image) or self.docker("pull", "--quiet", image, seconds=PULL_SECONDS).returncode == 0
        except subprocess.TimeoutExpired:
            return False


@asynccontextmanager
async def engine(folder: Path, home: Home) -> AsyncIterator[Engine]:
    """Raises ``OperatorError``. *folder* is for what an engine of ours keeps meanwhile."""
    major = _answers(os.environ)
    if major is not None:
        if major < OLDEST:
            raise OperatorError(f"The Docker engine here is of version {major}, and {OLDEST} is needed: update it")
        yield Engine(dict(os.environ), major, ours=False)
        return
    if os.geteuid() != 0:
        raise OperatorError(f"There is no Docker engine that answers: {WAY_OUT}")
    async with own_engine(folder, home) as environment:
        major = _answers(environment)
        assert major is not None
        yield Engine(environment, major, ours=True)


def _answers(environment: Mapping[str, str]) -> int | None:
    """The engine's major version, if there is one."""
    if shutil.which("docker", path=environment.get("PATH")) is None:
        return None
    try:
        told = _docker(environment, "info", "--format", "{{.ServerVersion}}", seconds=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    version = told.stdout.strip().partition(".")[0]
    return int(version) if told.returncode == 0 and version.isdecimal() else None


def _docker(environment: Mapping[str, str], *words: str, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("docker", *words), env=environment, check=False, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=seconds,
    )  # fmt: skip
