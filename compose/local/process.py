"""Processes by identity: a pid alone may by now be somebody else's."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The second field, the command's name, may hold blanks and parentheses.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Identity.of(self.pid) == self

    def send(self, number: signal.Signals) -> None:
        """To its whole group if it leads one, as what the supervisor starts does; nothing happens if it is gone."""
        if not self.alive():
            return
        with suppress(ProcessLookupError):
            # A supervisor that `make` started is in the group of make, which is not ours to signal.
            send = os.killpg if os.getpgid(self.pid) == self.pid else os.kill
            send(self.pid, number)


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
