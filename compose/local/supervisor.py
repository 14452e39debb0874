"""Starts processes, waits until each is ready, starts again what crashes, and stops all that it started."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from compose.local.home import CannotProvide, Home, Running
from compose.local.process import Identity, Mark, stop_all
from compose.local.progress import STILL_SECONDS, Report, repeated
from compose.local.server import Spec

PROBE_SECONDS = 0.1
BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 30.0  # a process that ran this long starts its backoff anew
# Services first, so that they finish what is in hand on servers that still run; last epmd, of which the broker takes
# its leave.
STOPPING = ("service", "server", "epmd")


@dataclass(slots=True, eq=False)
class _Child:
    spec: Spec
    process: asyncio.subprocess.Process
    running: Running
    started_at: float = field(default_factory=time.monotonic)


class Supervisor:
    def __init__(self, home: Home, report: Report, *, backoff_seconds: Sequence[float] = BACKOFF_SECONDS) -> None:
        self._scalable = False
        self._removed: set[str] = set()  # names of processes that are not to run any more
        self._home = home
        self._backoff_seconds = backoff_seconds
        self._report = report
        self._children: dict[str, _Child] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._ready: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._stopping = asyncio.Event()
        self._spawning = asyncio.Lock()  # whoever stops sees all that was started, and nothing is started after
        me = Identity.of(os.getpid())
        assert me is not None
        self._keeps = True  # state.json could be written last time
        self._me = Running("supervisor", me.pid, me.started, state="running", kind="supervisor")
        self._keep()

    async def start(self, specs: Sequence[Spec]) -> None:
        """Starts all at once and returns when all are ready. Raises ``CannotProvide`` if one does not get ready."""
        await asyncio.gather(*(self._start(spec) for spec in specs))

    async def ready(self, name: str) -> None:
        """Waits until it was ready once."""
        await self._ready[name].wait()

    async def _start(self, spec: Spec) -> None:
        self._removed.discard(spec.name)
        child = await self._spawn(spec)
        await self._until_ready(child)
        watcher = asyncio.create_task(self._watch(child), name=f"watch {spec.name}")
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    def _ends(self, child: _Child) -> bool:
        return self._stopping.is_set() or child.spec.name in self._removed

    async def _spawn(self, spec: Spec) -> _Child:
        """Raises ``CannotProvide`` once the stack stops, or this one is removed."""
        async with self._spawning:
            if self._stopping.is_set() or spec.name in self._removed:
                raise CannotProvide(f"{spec.name} was not started: the stack stops")
            return await self._spawn_now(spec)

    async def _spawn_now(self, spec: Spec) -> _Child:
        mark = Mark(spec.name, spec.kind, int(spec.stop_signal))
        with self._home.log(spec.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                env={**spec.environment, **mark.variable(self._home.folder)},
                cwd=spec.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at the terminal is for the supervisor, which stops them in order
            )
        identity = Identity.of(process.pid)
        running = Running(
            spec.name,
            process.pid,
            identity.started if identity else 0,
            address=spec.address,
            metrics_url=spec.metrics_url,
            signal=int(spec.stop_signal),
            kind=spec.kind,
            leaves=[str(path) for path in spec.leaves],
        )
        child = _Child(spec, process, running)
        self._children[spec.name] = child
        self._state(child, "starting")
        return child

    async def _until_ready(self, child: _Child) -> None:
        begun = time.monotonic()
        deadline, say_at = begun + child.spec.ready_seconds, begun + STILL_SECONDS
        name, log = child.spec.name, self._home.log(child.spec.name)
        while True:
            if child.process.returncode is not None:
                raise CannotProvide(f"{name} ended with {child.process.returncode} as it started: see {log}")
            try:
                await child.spec.ready()
            except Exception as error:
                if time.monotonic() > deadline:
                    raise CannotProvide(
                        f"{name} was not ready after {child.spec.ready_seconds:.0f} s"
                        f" ({str(error) or type(error).__name__}): see {log}"
                    ) from error
                if time.monotonic() > say_at:
                    self._report(name, f"still starting ({time.monotonic() - begun:.0f} s)")
                    say_at += STILL_SECONDS
                await asyncio.sleep(PROBE_SECONDS)
            else:
                self._state(child, "running")
                self._ready[name].set()
                return

    async def _watch(self, child: _Child) -> None:
        """Starts it again whenever it ends without our asking: the sooner, the longer it ran or if it left in order."""
        failures = 0
        ready = True
        while True:
            status = await child.process.wait()
            if self._ends(child):
                return
            if (ready and status == 0) or time.monotonic() - child.started_at > STEADY_SECONDS:
                failures = 0
            self._state(child, "restarting")
            with suppress(TimeoutError):
                pause_seconds = self._backoff_seconds[min(failures, len(self._backoff_seconds) - 1)]
                await asyncio.wait_for(self._stopping.wait(), pause_seconds)
                return
            if self._ends(child):
                return
            failures += 1
            ready = False
            try:
                child = await self._spawn(child.spec)
                await self._until_ready(child)
                ready = True
            except (CannotProvide, OSError):
                continue  # it ended again, or could not be started: the next turn sees to it

    def publish_scalable(self, *, scalable: bool) -> None:
        """Says in ``state.json`` whether SIGUSR1 is taken as a request; else it would end this process."""
        self._scalable = scalable
        self._keep()

    def names(self, kind: str) -> set[str]:
        return {name for name, child in self._children.items() if child.spec.kind == kind}

    async def remove(self, names: Collection[str]) -> None:
        """Stops these, each in its own time, and does not start them again."""
        self._removed |= set(names)
        async with self._spawning:
            children = [child for name, child in self._children.items() if name in names]
        await self._stop(children)
        for child in children:
            self._children.pop(child.spec.name, None)
        self._keep()

    async def stop(self) -> None:
        """Stops all that was started, and returns when it is gone."""
        self._stopping.set()
        async with self._spawning:
            children = list(self._children.values())
        for kind in STOPPING:
            await self._stop([child for child in children if child.spec.kind == kind])
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=5)
        self._keep_state(None, [])

    async def _stop(self, children: Sequence[_Child]) -> None:
        for child in children:
            if child.process.returncode is None:
                self._state(child, "stopping")
        await asyncio.gather(*(self._stop_one(child) for child in children))
        for child in children:
            await child.process.wait()
            _clear(child.running)
            self._state(child, "stopped")

    async def _stop_one(self, child: _Child) -> None:
        ended = [(child.running.identity, child.spec.stop_signal)]
        async with repeated(self._report, child.spec.name, "still stopping"):
            await asyncio.to_thread(stop_all, ended, child.spec.stop_seconds)

    def _state(self, child: _Child, state: str) -> None:
        child.running.state = state
        self._report(child.spec.name, state)
        self._keep()

    def _keep(self) -> None:
        self._keep_state(self._me, [child.running for child in self._children.values()])

    def _keep_state(self, supervisor: Running | None, processes: Sequence[Running]) -> None:
        """A full disk must stop neither what runs nor what stops: without the file, marks find the processes."""
        try:
            self._home.keep_state(supervisor, processes, scalable=self._scalable)
        except OSError as error:
            if self._keeps:
                self._report("state.json", f"cannot be written ({error.strerror})")
            self._keeps = False
        else:
            self._keeps = True


def stop_left(home: Home) -> list[str]:
    """Stops what a supervisor that died left running; returns the names. Touches no process that is not the same."""
    kept = home.state().processes
    left = [process for process in kept if process.identity.alive()]
    for kind in STOPPING:
        stop_all([(p.identity, signal.Signals(p.signal)) for p in left if p.kind == kind], limit_seconds=15)
    for process in kept:
        _clear(process)
    with suppress(OSError):  # what is kept of this stack is then of processes that are gone
        home.keep_state(None, [])
    return [process.name for process in left]


def _clear(process: Running) -> None:
    for path in process.leaves:
        with suppress(OSError):  # it may by now be another user's, of the same name
            Path(path).unlink(missing_ok=True)
