"""A Prometheus of our own for as long as a block runs."""

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
async def running_prometheus(http: aiohttp.ClientSession, configuration: Mapping[str, Any]) -> AsyncIterator[str]:
    """Its address. *configuration* is as in its file."""
    binaries = await provision.monitoring(Home(REPOSITORY / DEFAULT).open())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="autograph-pictures-") as folder:
        (Path(folder) / "prometheus.yaml").write_text(yaml.safe_dump(dict(configuration)), encoding="utf-8")
        with (Path(folder) / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                str(binaries / "usr" / "bin" / "prometheus"),
                "--config.file=prometheus.yaml",
                f"--web.listen-address={address}",
                "--storage.tsdb.path=data",
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        try:
            await _ready(http, f"http://{address}/-/ready")
            yield f"http://{address}"
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _ready(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(url) as answer:
                    if answer.ok:
                        return
            await asyncio.sleep(0.1)
