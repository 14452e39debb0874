"""A Prometheus or an Alertmanager of our own, for as long as a block runs."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

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


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False
