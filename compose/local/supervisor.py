"""Starts processes, waits until they are ready, restarts those that crash, and stops them all."""

import asyncio
import os
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from compose.local.home import Home, OperatorError, RunningProcess
from compose.local.process import Identity, ProcessMark, stop_all
from compose.local.progress import REPORT_EVERY_SECONDS, Report, repeated
from compose.local.server import Spec

PROBE_SECONDS = 0.1
BACKOFF_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 30.0  # resets the backoff of a process that ran this long
# Services first, so that they can finish what is in flight; epmd last, since the broker unregisters there.
STOPPING = ("service", "server", "epmd")


@dataclass(slots=True, eq=False)
class _Child:
    spec: Spec
    process: asyncio.subprocess.Process
    running: RunningProcess
    started_at: float = field(default_factory=time.monotonic)


class Supervisor:
    def __init__(self, home: Home, report: Report, *, backoff_seconds: Sequence[float] = BACKOFF_SECONDS) -> None:
        self._scalable = False
        self._removed: set[str] = set()  # names of processes that must not be restarted
        self._home = home
        self._backoff_seconds = backoff_seconds
        self._report = report
        self._children: dict[str, _Child] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._ready: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._stopping = asyncio.Event()
        self._spawning = asyncio.Lock()  # stopping sees all started processes, and none is started afterwards
        me = Identity.of(os.getpid())
        assert me is not None
        self._state_is_writable = True  # whether the last write of state.json succeeded
        self._me = RunningProcess("supervisor", me.pid, me.started, state="running", kind="supervisor")
        self._save()

    async def start(self, specs: Sequence[Spec]) -> None:
        """Starts all at once; returns when all are ready. Raises ``OperatorError`` if one does not become ready."""
        await asyncio.gather(*(self._start(spec) for spec in specs))

    async def ready(self, name: str) -> None:
        """Waits until the process was ready for the first time."""
        await self._ready[name].wait()

    async def _start(self, spec: Spec) -> None:
        self._removed.discard(spec.name)
        child = await self._spawn(spec)
        await self._until_ready(child)
        watcher = asyncio.create_task(self._watch(child), name=f"watch {spec.name}")
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    def _is_ending(self, child: _Child) -> bool:
        return self._stopping.is_set() or child.spec.name in self._removed

    async def _spawn(self, spec: Spec) -> _Child:
        """Raises ``OperatorError`` if the stack is stopping, or the process was removed."""
        async with self._spawning:
            if self._stopping.is_set() or spec.name in self._removed:
                raise OperatorError(f"{spec.name} was not started: the stack stops")
            return await self._spawn_now(spec)

    async def _spawn_now(self, spec: Spec) -> _Child:
        mark = ProcessMark(spec.name, spec.kind, int(spec.stop_signal))
        with self._home.log(spec.name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                env={**spec.environment, **mark.variable(self._home.folder)},
                cwd=spec.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C goes only to the supervisor, which stops them in order
            )
        identity = Identity.of(process.pid)
        running = RunningProcess(
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
        deadline, say_at = begun + child.spec.ready_seconds, begun + REPORT_EVERY_SECONDS
        name, log = child.spec.name, self._home.log(child.spec.name)
        while True:
            if child.process.returncode is not None:
                raise OperatorError(f"{name} ended with {child.process.returncode} as it started: see {log}")
            try:
                await child.spec.ready()
            except Exception as error:
                if time.monotonic() > deadline:
                    raise OperatorError(
                        f"{name} was not ready after {child.spec.ready_seconds:.0f} s"
                        f" ({str(error) or type(error).__name__}): see {log}"
                    ) from error
                if time.monotonic() > say_at:
                    self._report(name, f"still starting ({time.monotonic() - begun:.0f} s)")
                    say_at += REPORT_EVERY_SECONDS
                await asyncio.sleep(PROBE_SECONDS)
            else:
                self._state(child, "running")
                self._ready[name].set()
                return

    async def _watch(self, child: _Child) -> None:
        """Restarts the process when it ends, after a backoff that is reset by a long run or a clean exit."""
        failures = 0
        ready = True
        while True:
            status = await child.process.wait()
            if self._is_ending(child):
                return
            if (ready and status == 0) or time.monotonic() - child.started_at > STEADY_SECONDS:
                failures = 0
            self._state(child, "restarting")
            with suppress(TimeoutError):
                pause_seconds = self._backoff_seconds[min(failures, len(self._backoff_seconds) - 1)]
                await asyncio.wait_for(self._stopping.wait(), pause_seconds)
                return
            if self._is_ending(child):
                return
            failures += 1
            ready = False
            try:
                child = await self._spawn(child.spec)
                await self._until_ready(child)
                ready = True
            except (OperatorError, OSError):
                continue  # try again in the next iteration

    def publish_scalable(self, *, scalable: bool) -> None:
        """Records in ``state.json`` whether this process handles SIGUSR1, which would otherwise end it."""
        self._scalable = scalable
        self._save()

    def names(self, kind: str) -> set[str]:
        return {name for name, child in self._children.items() if child.spec.kind == kind}

    async def remove(self, names: Collection[str]) -> None:
        """Stops these processes, and does not restart them."""
        self._removed |= set(names)
        async with self._spawning:
            children = [child for name, child in self._children.items() if name in names]
        await self._stop(children)
        for child in children:
            self._children.pop(child.spec.name, None)
        self._save()

    async def stop(self) -> None:
        """Stops all processes; returns when they have ended."""
        self._stopping.set()
        async with self._spawning:
            children = list(self._children.values())
        for kind in STOPPING:
            await self._stop([child for child in children if child.spec.kind == kind])
        if self._watchers:
            await asyncio.wait(self._watchers, timeout=5)
        self._save_state(None, [])

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
            if child.process.returncode is None:
                await child.spec.before_stop()
            await asyncio.to_thread(stop_all, ended, child.spec.stop_seconds)

    def _state(self, child: _Child, state: str) -> None:
        child.running.state = state
        self._report(child.spec.name, state)
        self._save()

    def _save(self) -> None:
        self._save_state(self._me, [child.running for child in self._children.values()])

    def _save_state(self, supervisor: RunningProcess | None, processes: Sequence[RunningProcess]) -> None:
        """Errors (a full disk) are reported, not raised: without the file, the processes are found by their marks."""
        try:
            self._home.save_state(supervisor, processes, scalable=self._scalable)
        except OSError as error:
            if self._state_is_writable:
                self._report("state.json", f"cannot be written ({error.strerror})")
            self._state_is_writable = False
        else:
            self._state_is_writable = True


def stop_leftovers(home: Home) -> list[str]:
    """Stops the processes that a killed supervisor left running, by pid and start time; returns their names."""
    saved = home.state().processes
    left = [process for process in saved if process.identity.alive()]
    for kind in STOPPING:
        stop_all([(p.identity, signal.Signals(p.signal)) for p in left if p.kind == kind], limit_seconds=15)
    for process in saved:
        _clear(process)
    with suppress(OSError):  # the record then lists processes that have ended
        home.save_state(None, [])
    return [process.name for process in left]


def _clear(process: RunningProcess) -> None:
    for path in process.leaves:
        with suppress(OSError):  # it may be another user's file of the same name
            Path(path).unlink(missing_ok=True)
