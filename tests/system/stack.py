"""A whole AutoGraph as its user has it: one command in the foreground, in a home of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autograph.liveness import mark_unresponsive
from autograph.status import stack_rows
from compose.local.home import Home
from compose.local.process import Identity
from compose.local.stack import Servers, addresses
from tests.eventually import eventually
from tests.load import load
from tests.servers import PROGRAMS, REPOSITORY

READY_SECONDS = 90.0
STOPPED_SECONDS = 60.0
READY = "AutoGraph is ready"
# bcrypt at its usual cost, and the limits of a public server, would make tests of other things slow.
FASTER = {
    "AUTOGRAPH_BCRYPT_COST": "4",
    "AUTOGRAPH_RATE_LIMIT_PER_USER": "0",
    "AUTOGRAPH_RATE_LIMIT_PER_ADDRESS": "0",
    "AUTOGRAPH_PASSWORD_REQUESTS_PER_ADDRESS": "0",
    "AUTOGRAPH_REGISTRATIONS_IN_ALL": "0",
    "AUTOGRAPH_MAX_PASSWORD_REQUESTS": "1000",
}


class Stack:
    def __init__(
        self,
        folder: Path,
        *,
        given: Mapping[str, str] | None = None,
        checkout: Path = REPOSITORY,
        programs: Path = PROGRAMS,
        python: str = sys.executable,
        prefix: Sequence[str] = (),
        command: Sequence[str] = (),
        up: Sequence[str] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home = folder / "home"
        self.ups = 0
        self._folder = folder
        self._checkout = checkout
        self._command = tuple(command) or (*prefix, python, "-m", "autograph")
        self._up = tuple(up) or (*self._command, "up")
        mine = {name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")}
        self._environment = mine | FASTER | {"AUTOGRAPH_HOME": str(self.home), "AUTOGRAPH_PROGRAMS": str(programs)}
        self._environment |= {"XDG_STATE_HOME": str(folder / "state"), **(given or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def up(self, *options: str, **more: str) -> None:
        self.ups += 1
        with self._output_file().open("wb") as output:
            self._process = subprocess.Popen(
                [*self._up, *options],
                cwd=self._checkout,
                env=self._environment | more,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C of whoever runs the tests is not for this one
            )

    @property
    def output(self) -> str:
        """What `autograph up` said since it was last started."""
        return self._output_file().read_text(encoding="utf-8")

    def _output_file(self) -> Path:
        return self._folder / f"up-{self.ups}.txt"

    async def ready(self) -> None:
        async def is_ready() -> bool:
            if self.process.poll() is not None:
                raise RuntimeError(f"`autograph up` ended with {self.process.returncode}:\n{self.output}")
            return READY in self.output

        await eventually(is_ready, within_seconds=READY_SECONDS)

    async def end(self, number: signal.Signals | None = signal.SIGINT) -> int:
        """Its exit status, after *number* or, with ``None``, when it ends by itself."""
        if number is not None:
            self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, STOPPED_SECONDS * load())

    async def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Another command of the operator, about this home."""
        return await asyncio.to_thread(
            subprocess.run,
            [*self._command, *arguments],
            cwd=self._checkout,
            env=self._environment | more,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=STOPPED_SECONDS * load(),
        )

    async def run_elsewhere(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """As typed in *folder* by a user who names no home."""
        environment = {name: value for name, value in self._environment.items() if not name.startswith("AUTOGRAPH_")}
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-P", "-m", "autograph", *arguments],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=STOPPED_SECONDS * load(),
        )  # fmt: skip

    async def status(self) -> dict[str, dict[str, Any]]:
        """Each row of ``autograph status --json`` by its name, without starting the command, which takes a second."""
        rows = stack_rows(Home(self.home), {})
        await mark_unresponsive(rows)
        return {row["name"]: row for row in rows}

    async def told_status(self) -> dict[str, dict[str, Any]]:
        """As ``status``, by the command itself."""
        told = await self.run("status", "--json")
        return {row["name"]: row for row in json.loads(told.stdout)}

    def row(self, name: str) -> dict[str, Any]:
        """As ``status``, whether or not it answers: for tests that must be quick."""
        return next(row for row in stack_rows(Home(self.home), {}) if row["name"] == name)

    async def identities(self) -> list[Identity]:
        running = [Identity.of(row["pid"]) for row in (await self.status()).values() if row["pid"]]
        return [identity for identity in running if identity is not None]

    def servers(self) -> Servers:
        return addresses(Home(self.home).attach(), {})

    def left_in_tmp(self) -> list[Path]:
        """Sockets that SeaweedFS makes there, whatever it is told."""
        ports = json.loads((self.home / "ports.json").read_text(encoding="utf-8")).values()
        return [path for path in Path("/tmp").glob("seaweedfs-*") if any(f"-{port}." in path.name for port in ports)]  # noqa: S108 - theirs

    def log(self, name: str) -> list[dict[str, Any]]:
        lines = (self.home / "logs" / f"{name}.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def clean_up(self) -> None:
        """After a test that failed half way."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOPPED_SECONDS * load())
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self.ups:
            subprocess.run([*self._command, "down"], cwd=self._checkout, env=self._environment, check=False)


async def gone(identities: Sequence[Identity], *, within_seconds: float = 10.0) -> None:
    """Asserts that none of these processes runs."""
    assert identities
    deadline = time.monotonic() + within_seconds * load()
    while left := [identity for identity in identities if identity.alive()]:
        assert time.monotonic() < deadline, f"still running: {left}"
        await asyncio.sleep(0.05)
