"""``python -m bench.capacity``: what is needed at 1, 10, 100 and 1,000 times the load, from measured costs.

Two halves: plain sums of CPU time (what each part must have), and a simulation of the queues in front of the parts
(what a request then waits). The simulation is held to what ``make bench`` measured; see docs/scaling.md.
"""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# CPU microseconds of one request at 16 at once, by `make bench` of 2026-11-28 (docs/performance.md).
COSTS: Final[Mapping[str, Mapping[str, int]]] = {
    "read, cached": {"gateway": 272, "redis": 53},
    "read, uncached": {"gateway": 787, "redis": 154, "rabbitmq": 312, "diagram": 604, "postgres": 156},
    "list 20": {"gateway": 903, "redis": 106, "rabbitmq": 422, "diagram": 1184, "postgres": 387},
    "change 4 KiB": {"gateway": 1780, "redis": 194, "rabbitmq": 1165, "diagram": 2395, "postgres": 2524},
    "create 4 KiB": {"gateway": 1174, "redis": 72, "rabbitmq": 646, "diagram": 1042, "postgres": 664},
    "sign-in": {"gateway": 2678, "redis": 879, "rabbitmq": 4142, "auth": 255_439, "postgres": 4561},
}
LOAD: Final = {"read, cached": 77, "read, uncached": 104, "list 20": 135, "change 4 KiB": 200, "create 4 KiB": 153}
MEASURED: Final = {  # a second, 16 at once, the same run
    "read, cached": 3363.6, "read, uncached": 816.6, "list 20": 563.4, "change 4 KiB": 201.1, "create 4 KiB": 430.5,
}  # fmt: skip
MEASURED_CORES: Final = 2
MEASURED_LOOPS: Final = 16

MIX: Final = {  # of a thousand requests: an assumption, to be replaced by one's own dashboard
    "read, cached": 704, "read, uncached": 100, "list 20": 80, "change 4 KiB": 100, "create 4 KiB": 15, "sign-in": 1,
}  # fmt: skip
ONE: Final = 100  # requests a second at scale 1: some 2,000 people at work
SCALES: Final = (1, 10, 100, 1000)
MAX_UTILISATION: Final = 0.6  # of a core, at most: queues grow beyond all bounds towards 1
PARTS: Final = ("gateway", "diagram", "auth", "rabbitmq", "postgres", "redis")
WRITES: Final = ("change 4 KiB", "create 4 KiB", "sign-in")
# A quorum queue is one Erlang process. Of a command's work on the broker (command, reply, event, each through a
# connection and a channel of its own as well) it has at most half.
QUEUE_SHARE: Final = 0.5
PRIMARY_CORES: Final = 32
STORED_KIB: Final = 5.0  # of a version, with its row and index entries, before it is archived

CORE_HOUR, GIB_MONTH = 0.04, 0.10  # US dollars, an assumption: put in what you pay


def cores(part: str, per_second: float) -> float:
    """How many *part* keeps busy at *per_second* requests of the mix."""
    return per_second * sum(share / 1000 * COSTS[what].get(part, 0) / 1e6 for what, share in MIX.items())


def processes(part: str, per_second: float) -> int:
    """How many cores or single-threaded processes it must have, none more than ``BUSY``."""
    return max(1, math.ceil(cores(part, per_second) / MAX_UTILISATION))


def writes(per_second: float) -> float:
    return per_second * sum(MIX[what] for what in WRITES) / 1000


def limits(per_second: float) -> dict[str, float]:
    """How far each thing that is one of a kind is used, 1.0 being ``BUSY``: the first above 1 must be divided."""
    commands = sum(MIX[what] / 1000 * COSTS[what]["rabbitmq"] / 1e6 for what in WRITES if what != "sign-in")
    return {
        "one gateway process": cores("gateway", per_second) / MAX_UTILISATION,
        "one diagram worker": cores("diagram", per_second) / MAX_UTILISATION,
        "one auth worker of 2 cores": cores("auth", per_second) / (2 * MAX_UTILISATION),
        "Redis' one thread": cores("redis", per_second) / MAX_UTILISATION,
        "the queue diagram.commands": per_second * commands * QUEUE_SHARE / MAX_UTILISATION,
        f"one PostgreSQL primary of {PRIMARY_CORES} cores": cores("postgres", per_second)
        / (PRIMARY_CORES * MAX_UTILISATION),
    }


@dataclass(frozen=True, slots=True)
class QueueLatency:
    per_second: float
    p50_ms: float
    p99_ms: float


Path = Sequence[tuple[str, float]]  # part and seconds of its CPU, in order


def path_of(what: str, *, with_load: bool) -> Path:
    """A request's way: to the worker and back through the broker, or to Redis and back."""
    cost = {part: micros / 1e6 for part, micros in COSTS[what].items()}
    worker = "auth" if "auth" in cost else "diagram"
    gateway, broker, work = cost["gateway"], cost.get("rabbitmq", 0.0), cost.get(worker, 0.0)
    steps = [("load", LOAD[what] / 1e6)] if with_load else []
    steps += [("gateway", gateway / 2), ("redis", cost["redis"])]
    if broker:
        steps += [("rabbitmq", broker / 2), (worker, work / 2), ("postgres", cost["postgres"]), (worker, work / 2)]
        steps += [("rabbitmq", broker / 2)]
    return [*steps, ("gateway", gateway / 2)]


class Simulation:
    """Requests walk their paths; a step waits for a server of its part and, where *cores* are shared, for a core.

    First come, first served, times exponential. The same seed gives the same figures.
    """

    def __init__(self, servers: Mapping[str, int], *, cores: int | None = None, seed: int = 1) -> None:
        self._free = Counter(servers)
        self._cores = cores if cores is not None else sum(servers.values())
        self._random = random.Random(seed)
        self._waiting: deque[tuple[str, float, int]] = deque()
        self._running: list[tuple[float, int, str]] = []
        self._ways: dict[int, tuple[float, Iterator[tuple[str, float]]]] = {}
        self._now = 0.0
        self._latencies: list[float] = []

    def closed(self, path: Path, *, loops: int, requests: int) -> QueueLatency:
        """*loops* clients, each with its next request as soon as it has its answer."""
        for number in range(loops):
            self._begin(number, path)
        number = loops
        while len(self._latencies) < requests:
            if self._finish_next():
                self._begin(number, path)
                number += 1
        return self._latency()

    def opened(self, paths: Mapping[str, Path], *, per_second: float, requests: int) -> QueueLatency:
        """Requests of the mix come whenever they come (Poisson), however long the others take."""
        whats, weights = list(paths), [MIX[what] for what in paths]
        arrival, number = 0.0, 0
        while len(self._latencies) < requests:
            if not self._running or arrival <= self._running[0][0]:
                self._now = arrival
                [what] = self._random.choices(whats, weights)
                self._begin(number, paths[what])
                number += 1
                arrival += self._random.expovariate(per_second)
            else:
                self._finish_next()
        return self._latency()

    def _begin(self, number: int, path: Path) -> None:
        self._ways[number] = (self._now, iter(path))
        self._next_step(number)

    def _next_step(self, number: int) -> bool:
        """True: there was none, and the request is answered."""
        begun, way = self._ways[number]
        step = next(way, None)
        if step is None:
            del self._ways[number]
            self._latencies.append(self._now - begun)
            return True
        self._waiting.append((*step, number))
        self._start_what_can()
        return False

    def _start_what_can(self) -> None:
        for _ in range(len(self._waiting)):
            if not self._cores:
                return
            part, seconds, number = self._waiting.popleft()
            if not self._free[part]:
                self._waiting.append((part, seconds, number))
                continue
            self._free[part] -= 1
            self._cores -= 1
            heapq.heappush(self._running, (self._now + self._random.expovariate(1 / seconds), number, part))

    def _finish_next(self) -> bool:
        self._now, number, part = heapq.heappop(self._running)
        self._free[part] += 1
        self._cores += 1
        answered = self._next_step(number)
        self._start_what_can()
        return answered

    def _latency(self) -> QueueLatency:
        ordered = sorted(self._latencies)
        return QueueLatency(
            len(ordered) / self._now,
            ordered[len(ordered) // 2] * 1000,
            ordered[int(len(ordered) * 0.99)] * 1000,
        )


def as_measured(what: str, *, requests: int = 4000) -> QueueLatency:
    """The bench's own situation: everything, the load included, on two cores; Python and Redis have one thread each."""
    servers = {"load": 1, "gateway": 1, "redis": 1, "diagram": 1, "rabbitmq": 2, "postgres": 2}
    simulation = Simulation(servers, cores=MEASURED_CORES)
    return simulation.closed(path_of(what, with_load=True), loops=MEASURED_LOOPS, requests=requests)


def at_scale(scale: int, *, requests: int = 20_000) -> QueueLatency:
    """The mix on as many processes as the sums say. Without the network's time, which a real one adds to each step."""
    per_second = ONE * scale
    servers = {part: processes(part, per_second) for part in PARTS}
    paths = {what: path_of(what, with_load=False) for what in MIX if what != "sign-in"}
    return Simulation(servers).opened(paths, per_second=per_second, requests=requests)


def dollars_per_million() -> dict[str, float]:
    """CPU at ``BUSY``, and the first month of what the writes store."""
    seconds = sum(cores(part, 1.0) for part in PARTS) / MAX_UTILISATION * 1e6
    gib = 1e6 * writes(1.0) * STORED_KIB / 1024 / 1024
    return {"cores": seconds / 3600 * CORE_HOUR, "storage": gib * GIB_MONTH}


def tables() -> list[str]:
    """Of docs/scaling.md, whose test holds them to this."""
    lines = ["| | measured | model | model : measured |", "| --- | --- | --- | --- |"]
    for what, measured in MEASURED.items():
        model = as_measured(what).per_second
        lines.append(f"| {what} | {measured:,.0f} | {model:,.0f} | {model / measured:.2f} |")
    lines += [
        "",
        f"| cores at most {MAX_UTILISATION:.0%} busy | " + " | ".join(f"{scale:,}x" for scale in SCALES) + " |",
    ]
    lines.append("| --- |" + " --- |" * len(SCALES))
    lines.append("| requests a second | " + " | ".join(f"{ONE * scale:,}" for scale in SCALES) + " |")
    lines.append("| of them writes | " + " | ".join(f"{writes(ONE * scale):,.0f}" for scale in SCALES) + " |")
    for part in PARTS:
        lines.append(f"| {part} | " + " | ".join(f"{processes(part, ONE * scale):,}" for scale in SCALES) + " |")
    waited = [at_scale(scale) for scale in SCALES[:3]]
    lines.append("| p50 ms, without sign-ins | " + " | ".join(f"{one.p50_ms:.1f}" for one in waited) + " | |")
    lines.append("| p99 ms, without sign-ins | " + " | ".join(f"{one.p99_ms:.1f}" for one in waited) + " | |")
    lines += ["", "| one of a kind, used (100 %: divide it) | " + " | ".join(f"{scale:,}x" for scale in SCALES) + " |"]
    lines.append("| --- |" + " --- |" * len(SCALES))
    for name in limits(ONE):
        lines.append(f"| {name} | " + " | ".join(f"{limits(ONE * scale)[name]:.0%}" for scale in SCALES) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(tables()))
    print(
        "\n".join(
            f"{what}: {dollars:.3f} dollars a million requests" for what, dollars in dollars_per_million().items()
        )
    )
