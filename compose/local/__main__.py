"""``python -m compose.local serve --home DIR``: runs the four servers in the foreground, for development."""

import argparse
import asyncio
import signal
from pathlib import Path

from compose.local.home import DEFAULT, Home, OperatorError
from compose.local.run import run_servers


async def _serve(folder: Path) -> None:
    stop = asyncio.Event()
    ready = False
    serving = asyncio.current_task()
    assert serving is not None

    def asked_to_stop() -> None:
        stop.set()
        if not ready:
            serving.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked_to_stop)
    home = Home(folder, programs=DEFAULT / "programs").open()
    try:
        async with run_servers(home, {}, lambda name, state: print(f"{name}: {state}", flush=True)):  # noqa: T201 - progress
            ready = True
            print(f"ready: AUTOGRAPH_TEST_SERVERS={home.folder}", flush=True)  # noqa: T201 - what it is for
            await stop.wait()
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    except OperatorError as sentence:
        raise SystemExit(str(sentence)) from None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("serve").add_argument("--home", type=Path, required=True)
    asyncio.run(_serve(parser.parse_args().home))
