"""The processes that are measured: the system, and the servers of the floors."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from compose.local.home import DEFAULT, Home
from compose.local.stack import Servers, addresses

REPOSITORY = Path(__file__).parents[1]
START_SECONDS = 150.0
STOP_SECONDS = 60.0
COUNTED = ("gateway", "auth", "diagram", "rabbitmq", "postgres", "redis")


@dataclass(frozen=True, slots=True)
class Stack:
    base: str
    servers: Servers
    pids: dict[str, int]
    metrics: dict[str, str]  # where each that has any shows them


@asynccontextmanager
async def running_stack(
    checkout: Path = REPOSITORY, *, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Stack]:
    """The whole system as ``autograph up`` runs it, without limits unless *settings* set them, in a folder of its own.

    Another *checkout* than this one runs in its own virtual environment.

    No setting of the user's counts, neither the environment's nor that of an ``.env`` in the checkout: the load must
    not fall on servers that are not ours.
    """
    with tempfile.TemporaryDirectory(prefix="autograph-bench-") as folder:
        home = Path(folder) / "home"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")} | {
            "PYTHONPATH": str(checkout),
            "AUTOGRAPH_HOME": str(home),
            "AUTOGRAPH_PROGRAMS": str(REPOSITORY / DEFAULT / "programs"),
            "AUTOGRAPH_RATE_LIMIT_PER_USER": "0",
            "AUTOGRAPH_RATE_LIMIT_PER_ADDRESS": "0",
            "AUTOGRAPH_PASSWORD_REQUESTS_PER_ADDRESS": "0",
            "AUTOGRAPH_REGISTRATIONS_IN_ALL": "0",
            "AUTOGRAPH_MAX_PASSWORD_REQUESTS": "1000",
            "AUTOGRAPH_SIGN_IN_ATTEMPTS": "0",
            "AUTOGRAPH_SIGN_IN_FAILURES_PER_ADDRESS": "0",
            "AUTOGRAPH_SIGN_IN_FAILURES_PER_ACCOUNT": "0",
            **(settings or {}),
        }
        python = sys.executable if checkout == REPOSITORY else str(checkout / ".venv" / "bin" / "python")
        up = await asyncio.create_subprocess_exec(
            *(python, "-m", "autograph", "up"),
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us, who stop it once
        )
        assert up.stdout is not None
        draining: asyncio.Task[bytes] | None = None
        try:
            await _until_ready(up.stdout)
            draining = asyncio.create_task(up.stdout.read())
            state = Home(home).state()
            yield Stack(
                base=next(found.address for found in state.processes if found.name == "gateway"),
                servers=addresses(Home(home).attach(), {}),
                pids={found.name: found.pid for found in state.processes if found.name in COUNTED},
                metrics={found.name: found.metrics_url for found in state.processes if found.metrics_url},
            )
        finally:
            await _stop(up, signal.SIGINT)
            if draining is not None:
                await draining


async def _until_ready(output: asyncio.StreamReader) -> None:
    said = b""
    try:
        async with asyncio.timeout(START_SECONDS):
            async for line in output:
                said += line
                if b"is ready" in line:
                    return
    except TimeoutError:
        pass
    raise SystemExit(f"the stack did not start:\n{said.decode(errors='replace')}")


@asynccontextmanager
async def floor_server(what: str, url: str) -> AsyncIterator[tuple[str, int]]:
    """What it says when it is ready, and its pid."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.floor_servers", what, url), cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            said = (await process.stdout.readline()).decode().strip()
        if not said:
            raise SystemExit(f"the floor's {what} server did not start")
        yield said, process.pid
    finally:
        await _stop(process, signal.SIGTERM)


async def _stop(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
