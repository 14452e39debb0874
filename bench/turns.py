"""``python -m bench.turns CHECKOUT``: this checkout beside another, both running, measured in turns of a second.

Requests per second of two runs differ by a fifth on a machine that others use too. Two rounds that follow each other at
once have the same neighbours, so that the ratio within a pair tells what the code costs: a request's CPU in our
processes, and in them and the servers. Reported are the median of the pairs' ratios and the middle half of them. The
load generator does the same for both sides: what its own ratio is off 1 is the machine's.
"""

import argparse
import asyncio
import signal
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.cpu import LOAD, OTHERS, Meter, memory_mib
from bench.load import Round, Workload, measure
from bench.stack import REPOSITORY, running_stack
from bench.system import System

PAIRS = 15
SECONDS = 1.0
LOOPS = 16
CREATED = 1_500
SERVICES = ("gateway", "auth", "diagram")
SIGN_IN_SECONDS = 4.0  # a hash takes a third of a second
SIGN_IN_LOOPS = 2  # more at once than there are cores wait, and are refused


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two stacks."""

    system: System
    meter: Meter
    pids: dict[str, int]


@dataclass(frozen=True, slots=True)
class Compared:
    what: str
    ours: list[float]  # CPU of a request in our processes, this checkout's by the other's, for each pair
    whole: list[float]  # the same with the servers
    load: list[float]  # the same of the load generator
    milliseconds: tuple[float, float]  # of our processes: the other's and this checkout's median

    def row(self) -> str:
        before, now = self.milliseconds
        ours, whole, load = _spread(self.ours), _spread(self.whole), statistics.median(self.load)
        return f"| {self.what} | {before:.3f} | {now:.3f} | {ours} | {whole} | {load:.3f} |"


def _spread(ratios: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


async def compare(
    what: str,
    sides: Sequence[Side],
    workload: Callable[[System], Awaitable[Workload]],
    *,
    pairs: int,
    seconds: float,
    loops: int,
) -> Compared:
    """*sides*: the other checkout's, this one's. Which of them comes first changes from pair to pair."""
    for side in sides:
        await measure(await workload(side.system), loops, seconds / 2, side.meter)
    found: tuple[list[Round], list[Round]] = ([], [])
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 else (1, 0):
            side = sides[which]
            found[which].append(await measure(await workload(side.system), loops, seconds, side.meter))
    if any(one.failed for rounds in found for one in rounds):
        raise SystemExit(f"{what}: requests failed, so that nothing was compared")
    before, now = ([_cpu(one) for one in rounds] for rounds in found)
    return Compared(
        what,
        ours=[b[0] / a[0] for a, b in zip(before, now, strict=True)],
        whole=[b[1] / a[1] for a, b in zip(before, now, strict=True)],
        load=[b[2] / a[2] for a, b in zip(before, now, strict=True)],
        milliseconds=(
            1000 * statistics.median(ours for ours, _, _ in before),
            1000 * statistics.median(ours for ours, _, _ in now),
        ),
    )


def _cpu(one: Round) -> tuple[float, float, float]:
    """Seconds of CPU a request: of our processes, of all but the load, and of the load."""
    answered = len(one.latencies)
    ours = sum(one.cpu[name] for name in SERVICES)
    whole = sum(cpu for name, cpu in one.cpu.items() if name not in (LOAD, OTHERS))
    return ours / answered, whole / answered, one.cpu[LOAD] / answered


WORKLOADS: dict[str, Callable[[System], Awaitable[Workload]]] = {}


def _workload(what: str) -> Callable[[Callable[[System], Awaitable[Workload]]], None]:
    def add(make: Callable[[System], Awaitable[Workload]]) -> None:
        WORKLOADS[what] = make

    return add


@_workload("create 4 KiB")
async def _create(system: System) -> Workload:
    return system.create


@_workload("change 4 KiB")
async def _change(system: System) -> Workload:
    return system.change


@_workload("list 20")
async def _list(system: System) -> Workload:
    return system.list_20()


@_workload("read, cached")
async def _read_cached(system: System) -> Workload:
    return system.read_cached()


@_workload("read, uncached")
async def _read_uncached(system: System) -> Workload:
    return await system.read_uncached()


@_workload("sign-in")
async def _sign_in(system: System) -> Workload:
    return system.sign_in


async def main(other: Path, pairs: int, only: str) -> None:
    me = asyncio.current_task()
    assert me is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)  # as Ctrl-C: both are stopped
    async with AsyncExitStack() as opened:
        sides = []
        for checkout in (other, REPOSITORY):
            stack = await opened.enter_async_context(running_stack(checkout))
            system = System(stack.base, stack.servers.redis_url)
            await system.prepare()
            async with system.create(0) as create:  # reads need some, whichever workloads are chosen
                for _ in range(CREATED):
                    await create()
            sides.append(Side(system, Meter(stack.pids), stack.pids))
        print(
            "| | other, ms | this, ms | ours, this / other | with servers, this / other | load, this / other |",
            "| --- | --- | --- | --- | --- | --- |",
            sep="\n",
        )
        for what, workload in WORKLOADS.items():
            if only not in what:
                continue
            seconds, loops = (SIGN_IN_SECONDS, SIGN_IN_LOOPS) if what == "sign-in" else (SECONDS, LOOPS)
            print((await compare(what, sides, workload, pairs=pairs, seconds=seconds, loops=loops)).row(), flush=True)
        before, now = (memory_mib(side.pids, SERVICES) for side in sides)
        for name in SERVICES:
            print(f"{name}: {before[name]['peak']:.0f} MiB at most, now {now[name]['peak']:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description=__doc__)
    parser.add_argument("checkout", type=Path, help="another checkout of AutoGraph, with its virtual environment")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"rounds of each, of each workload ({PAIRS})")
    parser.add_argument("--only", default="", metavar="WORD", help="workloads whose names contain it")
    arguments = parser.parse_args()
    try:
        uvloop.run(main(arguments.checkout.resolve(), arguments.pairs, arguments.only))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit("stopped before its end")
