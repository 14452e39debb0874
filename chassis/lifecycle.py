"""The lifecycle of a service process: open its parts, serve until it is told to stop, drain, close."""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from types import TracebackType
from typing import Any, Final, Generic, NoReturn, Self, TypeVar

import uvloop
from prometheus_client import Histogram

from chassis import logging, tracing
from chassis.flags import show_flags
from chassis.health import Health
from chassis.loops import Loops
from chassis.metrics import HealthMetrics, LoopMetrics, process_registry
from chassis.pooler import PoolerUnsuitable
from chassis.settings import EX_CONFIG, LogFormat, Profile, ServiceSettings, load
from chassis.side_port import side_port
from contracts.version import VERSION

log: Final = logging.logger(__name__)

ResourceT = TypeVar("ResourceT")
ServiceSettingsT = TypeVar("ServiceSettingsT", bound=ServiceSettings)

CLOSE_SECONDS: Final = 5.0  # for closing pools and connections after the drain
HEALTH_INTERVAL_SECONDS: Final = 10.0
LAG_INTERVAL_SECONDS: Final = 0.25
LOGGED_LAG_SECONDS: Final = 1.0
M_MMAP_THRESHOLD: Final = -3  # malloc.h
LARGE_BYTES: Final = 1 << 20
# The interpreter's switch interval, 5 ms by default: how long the parser thread may hold the interpreter lock while the
# event loop waits for it.
THREAD_SWITCH_SECONDS: Final = 0.001


class BackgroundTaskDied(Exception):
    """A background task of the service has ended by an error."""


class Tasks:
    """Holds every background task, so that none is garbage-collected and each failure is reported."""

    def __init__(self, on_death: Callable[[BackgroundTaskDied], None]) -> None:
        self._on_death = on_death
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancel all tasks and wait for them."""
        self._stopping = True
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # A cancellation that is not ours is a failure: client libraries raise CancelledError on a lost connection.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None or (task.cancelled() and self._stopping):
            return
        log.error("background_task_died", task=task.get_name(), exc_info=error)
        death = BackgroundTaskDied(task.get_name())
        death.__cause__ = error
        self._on_death(death)


class Service(Generic[ServiceSettingsT]):
    """A process that opens its resources, serves, and drains.

    Enter resources in the order of their dependencies. On a stop the process is no longer ready, the drain callbacks
    run (last registered first, all within ``drain_seconds``), background tasks are cancelled, and resources are closed
    in reverse order. *on_stopping* is called once, before any of that.
    """

    def __init__(self, name: str, settings: ServiceSettingsT, *, on_stopping: Callable[[], None] | None = None) -> None:
        self.name = name
        self.settings = settings
        self.version = VERSION
        self.registry = process_registry(name, self.version)
        show_flags(settings.flags, self.registry)
        self._unhandled = LoopMetrics.unhandled(self.registry)
        self.health = Health(self.version)
        self._loops = Loops(self.registry)
        self.health.check("loops", self._loops.check, needed=False)
        self.side_url = ""
        self._on_stopping = on_stopping
        self._stack = AsyncExitStack()
        self._tasks = Tasks(self._background_task_died)
        self._drains: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._takers: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._stopping = asyncio.Event()
        self._composer: asyncio.Task[Any] | None = None
        self._death: BackgroundTaskDied | None = None

    async def enter(self, resource: AbstractAsyncContextManager[ResourceT]) -> ResourceT:
        """Open *resource* now and close it when the service stops."""
        return await self._stack.enter_async_context(resource)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call *close* when the service stops, in the order of a resource that was entered now."""
        self._stack.push_async_callback(close)

    def background(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run *work* until the end of the drain. If it fails, the service drains and exits with status 1."""
        self._tasks.start(work, name=name)

    def every(
        self,
        seconds: float,
        function: Callable[[], Awaitable[object]],
        *,
        name: str,
        retry_seconds: float | None = None,
        at_once: bool = True,
    ) -> None:
        """Calls *function* now and *seconds* after each end, in this process, until the drain is over.

        What it raises is logged once for all failures in a row, counted, and shown by the health check ``loops`` from
        the third on; it is called again after *retry_seconds* then. Not *at_once*: the first call is after *seconds*.
        What has to run once in a cluster is a job's schedule instead.
        """
        self.background(
            self._loops.run(seconds, function, name=name, retry_seconds=retry_seconds, at_once=at_once), name=name
        )

    def on_drain(
        self,
        callback: Callable[[], Awaitable[None]],
        *,
        name: str,
        stop_taking: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """*callback* accepts no more work and returns once all work in flight is done.

        *stop_taking* is called before any part is drained, and accepts no more work from then on.
        """
        self._drains.append((name, callback))
        if stop_taking is not None:
            self._takers.append((name, stop_taking))

    async def serve(self) -> None:
        """Be ready from now on; return after a stop and the drain.

        Raises ``BackgroundTaskDied``, after the drain, if that was the reason.
        """
        self._composer = None
        if not self._stopping.is_set():
            self.health.serving()
            log.info("serving")
        await self._stopping.wait()
        await self._drain()
        if self._death is not None:
            raise self._death

    def stop(self) -> None:
        """Make the service drain and end. A service that is still opening its parts is cancelled at once."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self.health.draining()
        if self._on_stopping is not None:
            self._on_stopping()
        if self._composer is not None:
            self._composer.cancel()

    async def __aenter__(self) -> Self:
        settings = self.settings
        self.side_url = await self.enter(
            side_port(
                settings.side_host,
                settings.side_port,
                registry=self.registry,
                health=self.health,
                or_free_port=settings.profile is Profile.LOCAL,
            )
        )
        HealthMetrics(self.registry, self.health.last_results)
        # Asks also where no orchestrator does, so that the metrics tell.
        self.every(HEALTH_INTERVAL_SECONDS, self.health.ready, name="health", at_once=False)
        self.background(watch_lag(LoopMetrics(self.registry).lag), name="event loop lag")
        self._composer = asyncio.current_task()
        if self._composer is not None and self._stopping.is_set():
            self._composer.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        composer, self._composer = self._composer, None
        given_up = isinstance(error, asyncio.CancelledError) and composer is not None and self._stopping.is_set()
        self.stop()
        try:
            await self._tasks.stop()
        finally:
            await self._stack.__aexit__(kind, error, traceback)
        if not given_up:
            return False
        assert composer is not None
        composer.uncancel()
        if self._death is not None:
            raise self._death from None
        return True

    def report_unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop's exception handler: for exceptions of callbacks, and those of tasks that nothing awaits."""
        self._unhandled.inc()
        # Without the arguments, which may be secret.
        what = str(context.get("message", "")).partition("(")[0]
        log.error("unhandled_exception", what=what, exc_info=context.get("exception"))

    async def _drain(self) -> None:
        deadline_seconds = self.settings.drain_seconds
        log.info("draining", deadline_seconds=deadline_seconds)
        part = ""
        try:
            async with asyncio.timeout(deadline_seconds):
                await asyncio.gather(*(_drain_part(part, stop) for part, stop in self._takers))
                for part, callback in reversed(self._drains):
                    await _drain_part(part, callback)
        except TimeoutError:
            log.error("drain_deadline_exceeded", part=part, deadline_seconds=deadline_seconds)  # noqa: TRY400  # no trace
        else:
            log.info("drained")

    def _background_task_died(self, death: BackgroundTaskDied) -> None:
        if self._death is None:
            self._death = death
        self.stop()


async def _drain_part(part: str, callback: Callable[[], Awaitable[None]]) -> None:
    """Never raises: the other parts must be drained too."""
    try:
        await callback()
    except asyncio.CancelledError:
        # On a lost connection aiormq raises CancelledError in its callers, although nothing cancelled this task.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        log.exception("drain_failed", part=part)
    except Exception:
        log.exception("drain_failed", part=part)


async def watch_lag(lag: Histogram) -> NoReturn:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_INTERVAL_SECONDS
        await asyncio.sleep(LAG_INTERVAL_SECONDS)
        late = max(0.0, loop.time() - due)
        lag.observe(late)
        if late >= LOGGED_LAG_SECONDS:
            log.warning("event_loop_blocked", seconds=round(late, 3))


def _tune_garbage_collector() -> None:
    """Exclude the objects that exist after start-up from garbage collection, and collect less often.

    This takes 10 % of the CPU off each request (measured 2026-11-24, cached and uncached reads).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _return_large_allocations() -> None:
    """Make glibc allocate large blocks with mmap always, so that they are returned to the system (mallopt(3)).

    By default it raises that threshold with each large block: a 20 MiB message left 22 MiB with a worker (2026-11-24).
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def run(
    name: str,
    settings_class: type[ServiceSettingsT],
    compose: Callable[[Service[ServiceSettingsT]], Awaitable[None]],
) -> NoReturn:
    """A service's ``__main__``: *compose* opens the parts of the service; then it serves until it is told to stop.

    Stops on SIGTERM and SIGINT; a second signal ends the process at once.
    Exit status 0: stopped. 1: failed, or not closed in time. 78: the settings are wrong.
    """
    settings = load(settings_class)
    console = settings.log_format is LogFormat.CONSOLE and sys.stdout.isatty()
    logging.configure(name, settings.log_level, json=not console)

    def stopping() -> None:
        _exit_after(settings.drain_seconds + CLOSE_SECONDS)

    async def live() -> None:
        service = Service(name, settings, on_stopping=stopping)
        _on_signal(service.stop)
        asyncio.get_running_loop().set_exception_handler(service.report_unhandled)
        if settings.otlp_url is not None:
            tracing.configure(name, service.version, settings.otlp_url.get_secret_value(), settings.trace_ratio)
        async with service:
            await compose(service)
            _tune_garbage_collector()
            sys.setswitchinterval(THREAD_SWITCH_SECONDS)
            _return_large_allocations()
            await service.serve()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(live())
            tracing.shutdown()
    except PoolerUnsuitable as sentence:
        log.critical("service_cannot_start", reason=str(sentence))
        sys.exit(EX_CONFIG)
    except (Exception, asyncio.CancelledError):
        log.critical("service_failed", exc_info=True)
        sys.exit(1)
    log.info("service_stopped")
    sys.exit(0)


def _on_signal(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def signalled(received: signal.Signals) -> None:
        # Restore the default action: a second signal ends even a process whose event loop is blocked.
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        log.info("stop_requested", signal=received.name)
        stop()

    for number in signals:
        loop.add_signal_handler(number, signalled, number)


def _exit_after(seconds: float) -> None:
    """Exit after *seconds* by a thread, so that a blocked event loop cannot prevent it."""

    def leave() -> None:
        log.critical("stop_timed_out")
        os._exit(1)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
