"""``python -m compose.local --home DIR``: the four servers alone, in the foreground, to develop against."""

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from compose.local.home import DEFAULT, Home
from compose.local.run import run_servers


async def _serve(folder: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    home = Home(folder, programs=DEFAULT / "programs").open()
    async with run_servers(home, {}, lambda name, state: print(f"{name}: {state}", flush=True)):  # noqa: T201 - progress
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().home))
