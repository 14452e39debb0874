"""Processes by pid and start time: a pid alone may have been reused."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "LAUNCHED_BY_AUTOGRAPH"
POLL_SECONDS = 0.05
KILLED_WITHIN_SECONDS = 10.0  # the kernel may have to finish a write to disk first


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: its pid, and its start in clock ticks since boot (proc(5), stat field 22)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """None if there is no such process, or it is a zombie."""
        try:
            fields = _stat(pid)
        except OSError:
            return None
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Identity.of(self.pid) == self

    def send_to_process(self, number: signal.Signals) -> None:
        """To the process alone; does nothing if it has ended."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def send(self, number: signal.Signals) -> None:
        """To its process group if it is the leader; does nothing if it has ended."""
        if not self.alive():
            return
        with suppress(ProcessLookupError):
            # A supervisor that `make` started is in make's group, which must not be signalled.
            send = os.killpg if os.getpgid(self.pid) == self.pid else os.kill
            send(self.pid, number)


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) from the third on; the second, the command's name, may contain spaces and parentheses."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """An environment variable of each process of a stack, to find the processes if ``state.json`` is lost."""

    name: str
    kind: str
    signal: int  # that stops it

    def variable(self, home: Path) -> dict[str, str]:
        return {MARK: f"{self.kind}:{self.signal}:{self.name}@{home}"}

    @classmethod
    def of(cls, environment: bytes, home: Path) -> "ProcessMark | None":
        """None if it is not a process of the stack in *home*."""
        begin = f"{MARK}=".encode()
        for variable in environment.split(b"\0"):
            if variable.startswith(begin):
                words, _, place = os.fsdecode(variable[len(begin) :]).partition("@")
                kind, number, name = words.split(":")
                return cls(name, kind, int(number)) if place == str(home) else None
        return None


def marked(home: Path) -> Iterator[tuple[Identity, ProcessMark]]:
    """The processes of the stack in *home*, without children that inherited the mark."""
    found = {int(entry.name): mark for entry in Path("/proc").glob("[0-9]*") if (mark := _mark(entry, home))}
    for pid, mark in found.items():
        identity = Identity.of(pid)
        if identity and found.get(_parent(pid)) != mark:
            yield identity, mark


def _mark(entry: Path, home: Path) -> ProcessMark | None:
    with suppress(OSError, ValueError):  # it has ended, or is another user's
        return ProcessMark.of((entry / "environ").read_bytes(), home)
    return None


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(_stat(pid)[1])
    return 0


def stop_all(processes: list[tuple[Identity, signal.Signals]], limit_seconds: float) -> list[Identity]:
    """Sends each process its signal, and kills those that still run after the limit; returns the killed ones."""
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
