"""The folder that server programs are unpacked into.

Standard library only: it is filled before anything is installed.
"""

import asyncio
import fcntl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import IO, Protocol

from compose.local.progress import Report, reported, unheard

POLL_SECONDS = 0.2


class OperatorError(Exception):
    """Ends a command of the operator; the message is one sentence that says what to do."""


class ProgramsFolder(Protocol):
    """A home, or ``Programs`` alone."""

    programs: Path

    def providing(self, name: str, report: Report = unheard) -> AbstractAsyncContextManager[None]:
        """Held while the program *name* is got: two stacks that share the folder do not get it twice."""


class Programs:
    """One lock among processes, which the tasks of a process share, each with another program."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder
        self._lock: IO[str] | None = None
        self._holders = 0
        self._taking = asyncio.Lock()
        self._named: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def providing(self, name: str, report: Report = unheard) -> AsyncIterator[None]:
        async with self._named[name]:
            async with self._taking:
                if self._lock is None:
                    self._lock = await self._take(name, report)
                self._holders += 1
            try:
                yield
            finally:
                self._holders -= 1
                if not self._holders:
                    self._lock.close()
                    self._lock = None

    async def _take(self, name: str, report: Report) -> IO[str]:
        self.programs.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.programs.mkdir(mode=0o755, exist_ok=True)
        lock = (self.programs / "lock").open("a", encoding="ascii")
        try:
            if not locks(lock):
                async with reported(report, name, f"waiting for another process, which fills {self.programs}"):
                    while not locks(lock):  # noqa: ASYNC110 - it signals nothing
                        await asyncio.sleep(POLL_SECONDS)
        except BaseException:
            lock.close()
            raise
        return lock


def locks(file: IO[str]) -> bool:
    """Whether the file could be locked for this process; the lock ends as the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
