"""A Prometheus of our own, or its Alertmanager, for as long as a block runs."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from compose.local import provision
from compose.local.home import DEFAULT, Home

REPOSITORY = Path(__file__).parents[1]
START_SECONDS = 30.0


@asynccontextmanager
async def running(http: aiohttp.ClientSession, program: Path, *options: str, folder: Path) -> AsyncIterator[str]:
    """Its address. *folder* gets its log. Raises ``RuntimeError`` with that log where *program* ends by itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    written = folder / f"{program.name}.log"
    with written.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(program),
            f"--web.listen-address={address}",
            *options,
            cwd=program.parents[2],  # Alertmanager finds its own files from where it was unpacked
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _is_ready(http, f"http://{address}/-/ready"):
                if process.returncode is not None:
                    raise RuntimeError(written.read_text("utf-8"))
                await asyncio.sleep(0.1)
        yield f"http://{address}"
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@asynccontextmanager
async def running_prometheus(http: aiohttp.ClientSession, configuration: Mapping[str, Any]) -> AsyncIterator[str]:
    """Its address. *configuration* is as in its file."""
    root = await provision.monitoring(Home(REPOSITORY / DEFAULT).open())
    with tempfile.TemporaryDirectory(prefix="autograph-pictures-") as name:
        folder = Path(name)
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(dict(configuration)), encoding="utf-8")
        options = f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}"
        async with running(http, root / "usr" / "bin" / "prometheus", *options, folder=folder) as address:
            yield address


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False
