"""CPU seconds and memory of processes, from /proc."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
IDLE, IOWAIT = 3, 4  # of the machine's line in /proc/stat
LOAD, OTHERS = "load", "others"


class Meter:
    """CPU seconds so far of each process and what it started, of the load itself, and of the machine's other work."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)

    def read(self) -> dict[str, float]:
        parents, used = _processes()
        seconds = {name: sum(used[member] for member in _family(pid, parents)) for name, pid in self._pids.items()}
        seconds[LOAD] = time.process_time()  # without its children, which are all the rest
        seconds[OTHERS] = _machine() - sum(seconds.values())
        return seconds

    def since(self, before: Mapping[str, float]) -> dict[str, float]:
        # Ticks are 10 ms, so a difference of differences may fall a little below nothing.
        return {name: max(0.0, seconds - before[name]) for name, seconds in self.read().items()}


def _processes() -> tuple[dict[int, int], dict[int, float]]:
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended
        fields = stat.rpartition(")")[2].split()
        parents[int(entry.name)] = int(fields[1])
        # Its own user and system time, and that of its children that have ended (a database's sessions).
        used[int(entry.name)] = sum(map(int, fields[11:15])) / TICKS
    return parents, used


def _family(pid: int, parents: Mapping[int, int]) -> set[int]:
    family: set[int] = set()
    found = {pid} & parents.keys()
    while found:
        family |= found
        found = {child for child, parent in parents.items() if parent in found} - family
    return family


def _machine() -> float:
    line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    fields = list(map(int, line.split()[1:9]))  # a guest's time is in its host's already
    return (sum(fields) - fields[IDLE] - fields[IOWAIT]) / TICKS


def memory_mib(pids: Mapping[str, int], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """What is resident now, and the most that ever was."""
    return {name: {"now": _status(pids[name], "VmRSS"), "peak": _status(pids[name], "VmHWM")} for name in names}


def _status(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(f"{field}:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise ValueError(f"process {pid} has no {field}")
