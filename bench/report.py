"""The results as Markdown and JSON."""

import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bench.cpu import LOAD, OTHERS
from bench.load import Round

MEMORY_MIB = 150


@dataclass(frozen=True, slots=True)
class Row:
    """One thing at one concurrency: the rate is the median of its rounds', latencies and CPU are of all its rounds."""

    what: str
    loops: int
    rounds: list[Round] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return sum(len(one.latencies) for one in self.rounds)

    @property
    def failed(self) -> int:
        return sum(one.failed for one in self.rounds)

    @property
    def per_second(self) -> float:
        return statistics.median(one.per_second for one in self.rounds)

    def latency_ms(self, share: float) -> float:
        ordered = sorted(latency for one in self.rounds for latency in one.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else float("nan")

    def cpu_ms(self) -> dict[str, float]:
        """Of each process for one request."""
        names = self.rounds[0].cpu
        return {name: sum(one.cpu[name] for one in self.rounds) * 1000 / max(1, self.answered) for name in names}

    def figures(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "concurrency": self.loops,
            "rounds": len(self.rounds),
            "answered": self.answered,
            "failed": self.failed,
            "per_second": round(self.per_second, 1),
            "p50_ms": round(self.latency_ms(0.50), 3),
            "p99_ms": round(self.latency_ms(0.99), 3),
            "cpu_seconds_per_request": {name: round(ms / 1000, 7) for name, ms in self.cpu_ms().items()},
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rounds of the floor and of ours in turns, so that what slows the machine for a while slows both."""

    floor: Row
    ours: Row
    wanted: float

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.floor.rounds, self.ours.rounds, strict=True)
        return [ours.per_second / floor.per_second if floor.per_second else 0.0 for floor, ours in pairs]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def verdict(self) -> str:
        if self.floor.failed or self.ours.failed:
            return "not valid: some requests failed"
        return "reached" if self.ratio >= self.wanted else "missed"

    def sentence(self) -> str:
        return (
            f"{self.ours.what} / {self.floor.what}: {self.ratio:.0%} ({min(self.ratios):.0%} to {max(self.ratios):.0%}"
            f" in {len(self.ratios)} rounds), wanted {self.wanted:.0%}: {self.verdict}"
        )

    def figures(self) -> dict[str, Any]:
        return {
            "ours": self.ours.what,
            "floor": self.floor.what,
            "ratio": round(self.ratio, 3),
            "ratios": [round(ratio, 3) for ratio in self.ratios],
            "wanted": self.wanted,
            "verdict": self.verdict,
        }


def table(rows: Sequence[Row]) -> Iterable[str]:
    names = list(rows[0].rounds[0].cpu)
    head = ["what", "at once", "per second", "p50 ms", "p99 ms", "failed", *names]
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    for row in rows:
        cpu = row.cpu_ms()
        cells = [
            row.what,
            row.loops,
            f"{row.per_second:.1f}",
            f"{row.latency_ms(0.5):.2f}",
            f"{row.latency_ms(0.99):.2f}",
        ]
        yield f"| {' | '.join(map(str, [*cells, row.failed, *(f'{cpu[name]:.2f}' for name in names)]))} |"


def shares(row: Row, *leaving_out: str) -> str:
    """Where a request's CPU goes."""
    cpu = {name: ms for name, ms in row.cpu_ms().items() if name not in leaving_out}
    total = sum(cpu.values())
    most = sorted(cpu.items(), key=lambda item: -item[1])
    named = ", ".join(f"{name} {ms / total:.0%}" for name, ms in most if total and ms / total >= 0.01)  # noqa: PLR2004
    return f"{row.what}, {row.loops} at once: {total:.2f} ms of CPU a request: {named}"


def report(
    rows: Sequence[Row], comparisons: Sequence[Comparison], memory: Mapping[str, Mapping[str, float]], *, quick: bool
) -> Iterable[str]:
    yield f"# AutoGraph beside its floors, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    yield ""
    yield f"{_cores()} cores, Python {platform.python_version()}, load on the same machine."
    if quick:
        yield "Rounds too short to mean anything (--quick), and so are the verdicts."
    yield f"The columns after `failed` are ms of CPU a request: {LOAD} is the load generator (for floors without"
    yield f"a server it is all work in Python), {OTHERS} is everything else on the machine."
    yield ""
    yield from table(rows)
    yield ""
    yield "## Floors"
    yield ""
    for comparison in comparisons:
        yield f"- {comparison.sentence()}"
    for name, mib in memory.items():
        verdict = "reached" if mib["now"] <= MEMORY_MIB else "missed"
        yield f"- {name}: {mib['now']:.0f} MiB resident, at most {mib['peak']:.0f}, wanted {MEMORY_MIB}: {verdict}"
    yield ""
    yield "## Where the CPU goes"
    yield ""
    for comparison in comparisons:
        yield f"- {shares(comparison.ours, LOAD, OTHERS)}"
        yield f"  - {shares(comparison.floor, OTHERS)}"


def figures(
    rows: Sequence[Row], comparisons: Sequence[Comparison], memory: Mapping[str, Mapping[str, float]], *, quick: bool
) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": _cores(),
        "python": platform.python_version(),
        "quick": quick,
        "rows": [row.figures() for row in rows],
        "comparisons": [comparison.figures() for comparison in comparisons],
        "memory_mib": {name: dict(mib) for name, mib in memory.items()},
        "memory_mib_wanted": MEMORY_MIB,
    }


def _cores() -> int:
    return len(os.sched_getaffinity(0))
