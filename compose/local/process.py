"""Processes by identity: a pid alone may by now be somebody else's."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "LAUNCHED_BY_AUTOGRAPH"
POLL_SECONDS = 0.05
KILLED_WITHIN_SECONDS = 10.0  # the kernel may first have to end a write to disk


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that was started by us: its pid, and its start in clock ticks since boot (proc(5), stat field 22)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """``None``: there is no such process, or it only waits to be reaped."""
        try:
            fields = _stat(pid)
        except OSError:
            return None
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Identity.of(self.pid) == self

    def send_to_process(self, number: signal.Signals) -> None:
        """To it alone; nothing happens if it is gone."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def send(self, number: signal.Signals) -> None:
        """To its whole group if it leads one, as what the supervisor starts does; nothing happens if it is gone."""
        if not self.alive():
            return
        with suppress(ProcessLookupError):
            # A supervisor that `make` started is in the group of make, which is not ours to signal.
            send = os.killpg if os.getpgid(self.pid) == self.pid else os.kill
            send(self.pid, number)


def _stat(pid: int) -> list[str]:
    """proc(5)'s fields from the third; the second, the command's name, may hold blanks and parentheses."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class Mark:
    """Stands in the environment of each process of a stack, so that it is found where what is kept of it is lost."""

    name: str
    kind: str
    signal: int  # by which it stops

    def variable(self, home: Path) -> dict[str, str]:
        return {MARK: f"{self.kind}:{self.signal}:{self.name}@{home}"}

    @classmethod
    def of(cls, environment: bytes, home: Path) -> "Mark | None":
        """``None``: it is no process of the stack in *home*."""
        begin = f"{MARK}=".encode()
        for variable in environment.split(b"\0"):
            if variable.startswith(begin):
                words, _, place = os.fsdecode(variable[len(begin) :]).partition("@")
                kind, number, name = words.split(":")
                return cls(name, kind, int(number)) if place == str(home) else None
        return None


def marked(home: Path) -> Iterator[tuple[Identity, Mark]]:
    """The processes that were started for the stack in *home*, without the children that have inherited the mark."""
    found = {int(entry.name): mark for entry in Path("/proc").glob("[0-9]*") if (mark := _mark(entry, home))}
    for pid, mark in found.items():
        identity = Identity.of(pid)
        if identity and found.get(_parent(pid)) != mark:
            yield identity, mark


def _mark(entry: Path, home: Path) -> Mark | None:
    with suppress(OSError, ValueError):  # gone meanwhile, or another user's
        return Mark.of((entry / "environ").read_bytes(), home)
    return None


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(_stat(pid)[1])
    return 0


def stop_all(processes: list[tuple[Identity, signal.Signals]], limit_seconds: float) -> list[Identity]:
    """Asks all to stop, each by its own signal, and kills what still runs after the limit; returns what was killed."""
    for identity, number in processes:
        identity.send(number)
    deadline = time.monotonic() + limit_seconds
    left = [identity for identity, _ in processes]
    while left and time.monotonic() < deadline:
        left = [identity for identity in left if identity.alive()]
        time.sleep(POLL_SECONDS if left else 0)
    for identity in left:
        identity.send(signal.SIGKILL)
    deadline = time.monotonic() + KILLED_WITHIN_SECONDS
    while any(identity.alive() for identity in left) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left
