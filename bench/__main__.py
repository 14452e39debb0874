"""``python -m bench``: requests per second, latency and CPU of each process, beside the floors, in one run."""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import uvloop

from bench import floors
from bench.cpu import Meter, memory_mib
from bench.load import Workload, measure
from bench.report import Comparison, Row, figures, report
from bench.stack import Stack, floor_server, running_stack
from bench.system import System

ROUNDS = 5
COMPARED_AT = 16
CONCURRENCIES = (1, 16, 64)
SECONDS, QUICK_SECONDS = 1.5, 0.2
SIGN_INS = 3  # times as long: a hash takes a third of a second
WARM_UP = 0.5  # of a round
TOTAL_SECONDS = 330.0  # and half a minute to stop all
SERVICES = ("gateway", "auth", "diagram")


@dataclass(frozen=True, slots=True)
class Fresh:
    """A workload that must be brought to its beginning before each round."""

    make: Callable[[], Awaitable[Workload]]


class Bench:
    def __init__(self, meter: Meter, seconds: float, rounds: int) -> None:
        self._meter = meter
        self._seconds = seconds
        self._rounds = rounds
        self._began = time.monotonic()
        self.rows: list[Row] = []
        self.comparisons: list[Comparison] = []

    async def compare(
        self, floor: str, bare: Workload, what: str, ours: Workload | Fresh, *, wanted: float, times: int = 1
    ) -> None:
        below, row = self._row(floor, COMPARED_AT), self._row(what, COMPARED_AT)
        await self._warm_up(bare)
        await self._warm_up(ours)
        for _ in range(self._rounds):
            await self._round(below, bare, times)
            await self._round(row, ours, times)
        comparison = Comparison(below, row, wanted)
        self.comparisons.append(comparison)
        self._say(comparison.sentence())

    async def single(self, what: str, workload: Workload | Fresh, *concurrencies: int, times: int = 1) -> None:
        for loops in concurrencies:
            row = self._row(what, loops)
            await self._round(row, workload, times)
            self._say(f"{what}, {loops} at once: {row.per_second:.1f} a second")

    def _row(self, what: str, loops: int) -> Row:
        row = Row(what, loops)
        self.rows.append(row)
        return row

    async def _warm_up(self, workload: Workload | Fresh) -> None:
        await measure(await _fresh(workload), COMPARED_AT, self._seconds * WARM_UP, self._meter)

    async def _round(self, row: Row, workload: Workload | Fresh, times: int) -> None:
        row.rounds.append(await measure(await _fresh(workload), row.loops, self._seconds * times, self._meter))

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {what}", file=sys.stderr, flush=True)


async def _fresh(workload: Workload | Fresh) -> Workload:
    if isinstance(workload, Fresh):
        return await workload.make()
    return workload


async def run(bench: Bench, stack: Stack, http_base: str) -> None:
    """The list of what is measured, from top to bottom."""
    system = System(stack.base, stack.servers.redis_url)
    await system.prepare()
    async with AsyncExitStack() as opened:
        threads = opened.enter_context(ThreadPoolExecutor(os.cpu_count()))
        echo = await opened.enter_async_context(floors.Echo(stack.servers.rabbitmq_url))
        pool = await opened.enter_async_context(
            asyncpg.create_pool(stack.servers.postgres_url, min_size=10, max_size=10)
        )
        await pool.execute(floors.TABLE)
        with_redis, hashing = floors.http(http_base, "/redis"), floors.hashing(threads)

        # Creates come first: what they make is read, each diagram once a round.
        await bench.compare("echo, quorum", echo.commands(), "create 4 KiB", system.create, wanted=0.35)
        await bench.compare("echo, classic", echo.queries(), "read, uncached", Fresh(system.read_uncached), wanted=0.40)
        await bench.compare("aiohttp + Redis", with_redis, "read, cached", system.read_cached(), wanted=0.40)
        await bench.compare("bcrypt, cost 12", hashing, "sign-in", system.sign_in, wanted=0.80, times=SIGN_INS)

        await bench.single("change 4 KiB", system.change, *CONCURRENCIES)
        await bench.single("list 20", system.list_20(), *CONCURRENCIES)
        await bench.single("aiohttp, bare", floors.http(http_base, "/bare"), *CONCURRENCIES)
        await bench.single("insert + commit", floors.insert(pool), *CONCURRENCIES)
        others = [loops for loops in CONCURRENCIES if loops != COMPARED_AT]
        await bench.single("create 4 KiB", system.create, *others)
        await bench.single("echo, quorum", echo.commands(), *others)
        await bench.single("read, uncached", Fresh(system.read_uncached), *others)
        await bench.single("echo, classic", echo.queries(), *others)
        await bench.single("read, cached", system.read_cached(), *others)
        await bench.single("aiohttp + Redis", with_redis, *others)
        await bench.single("sign-in", system.sign_in, 1, times=SIGN_INS)
        await bench.single("bcrypt, cost 12", hashing, 1, times=SIGN_INS)


async def main(to: Path | None, *, quick: bool) -> None:
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)  # as Ctrl-C: all is stopped
    async with asyncio.timeout(TOTAL_SECONDS), running_stack() as stack:
        servers = stack.servers
        async with (
            floor_server("http", f"{servers.redis_url.rpartition('/')[0]}/5") as (http_base, http_pid),
            floor_server("echo", servers.rabbitmq_url) as (_, echo_pid),
        ):
            meter = Meter({**stack.pids, "floor (http)": http_pid, "floor (echo)": echo_pid})
            bench = Bench(meter, QUICK_SECONDS if quick else SECONDS, 1 if quick else ROUNDS)
            await run(bench, stack, http_base)
            memory = memory_mib(stack.pids, SERVICES)
    bench.rows.sort(key=lambda row: (row.what, row.loops))
    print("\n".join(report(bench.rows, bench.comparisons, memory, quick=quick)))
    if to is not None:
        found = json.dumps(figures(bench.rows, bench.comparisons, memory, quick=quick), indent=1)
        await asyncio.to_thread(to.write_text, found + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="rounds too short to mean anything: does it run?")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there")
    arguments = parser.parse_args()
    try:
        uvloop.run(main(arguments.json, quick=arguments.quick))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit("stopped before its end") from None
    except TimeoutError:
        raise SystemExit(f"not done after {TOTAL_SECONDS:.0f} s") from None
