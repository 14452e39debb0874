"""The life of a service process: compose, serve until told to stop, drain what is in hand, leave."""

import asyncio
import ctypes
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from importlib import metadata
from types import TracebackType
from typing import Any, Final, Generic, NoReturn, Self, TypeVar

import uvloop
from prometheus_client import Histogram

from chassis import logging, tracing
from chassis.flags import show_flags
from chassis.health import Health
from chassis.metrics import HealthMetrics, LoopMetrics, process_registry
from chassis.pooler import PoolerUnsuitable
from chassis.settings import EX_CONFIG, LogFormat, Profile, ServiceSettings, load
from chassis.side_port import side_port

log: Final = logging.logger(__name__)

ResourceT = TypeVar("ResourceT")
ServiceSettingsT = TypeVar("ServiceSettingsT", bound=ServiceSettings)

CLOSE_SECONDS: Final = 5.0  # for closing pools and connections once the drain is over
HEALTH_INTERVAL_SECONDS: Final = 10.0
LAG_INTERVAL_SECONDS: Final = 0.25
LOGGED_LAG_SECONDS: Final = 1.0
M_MMAP_THRESHOLD: Final = -3  # malloc.h
LARGE_BYTES: Final = 1 << 20
# How long a thread that checks a large document keeps the event loop from the interpreter each time that it wakes up;
# 5 ms by default.
THREAD_SWITCH_SECONDS: Final = 0.001


class BackgroundTaskDied(Exception):
    """Something that runs for as long as the service does has ended by an error."""


class Tasks:
    """Keeps every background task: none is lost to the garbage collector, and none dies unheard."""

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
        """Cancels all and waits for each."""
        self._stopping = True
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        # Cancelled without our doing is a death too: client libraries throw CancelledError on a lost connection.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None or (task.cancelled() and self._stopping):
            return
        log.error("background_task_died", task=task.get_name(), exc_info=error)
        death = BackgroundTaskDied(task.get_name())
        death.__cause__ = error
        self._on_death(death)


class Service(Generic[ServiceSettingsT]):
    """A process that is being composed, serves, and drains.

    Resources are entered in the order in which they need each other. Once stopped, readiness goes, the drain callbacks
    run (last registered first, all within ``drain_seconds``), then background tasks are cancelled and resources closed
    in reverse. *on_stopping* is called once, before any of that.
    """

    def __init__(self, name: str, settings: ServiceSettingsT, *, on_stopping: Callable[[], None] | None = None) -> None:
        self.name = name
        self.settings = settings
        self.version = _version()
        self.registry = process_registry(name, self.version)
        show_flags(settings.flags, self.registry)
        self._unhandled = LoopMetrics.unhandled(self.registry)
        self.health = Health(self.version)
        self.side_url = ""
        self._on_stopping = on_stopping
        self._stack = AsyncExitStack()
        self._tasks = Tasks(self._background_task_died)
        self._drains: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._stopping = asyncio.Event()
        self._composer: asyncio.Task[Any] | None = None
        self._death: BackgroundTaskDied | None = None

    async def enter(self, resource: AbstractAsyncContextManager[ResourceT]) -> ResourceT:
        """Opens *resource* now and closes it when the service leaves."""
        return await self._stack.enter_async_context(resource)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Calls *close* when the service leaves, as if it had been entered now."""
        self._stack.push_async_callback(close)

    def background(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Runs *work* until the drain is over. If it fails, the service drains and the process fails."""
        self._tasks.start(work, name=name)

    def on_drain(self, callback: Callable[[], Awaitable[None]], *, name: str) -> None:
        """*callback* stops taking work and returns once what is in hand is finished."""
        self._drains.append((name, callback))

    async def serve(self) -> None:
        """Ready from now on; returns once the service was told to stop and has drained.

        Raises ``BackgroundTaskDied``, after draining, if that is why it stopped.
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
        """Tells the service to drain and leave; one that is still being composed is given up at once."""
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
        self.background(watch_health(self.health), name="health")
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
        """The loop's exception handler: of callbacks that raised, and of tasks that nobody asked how they ended."""
        self._unhandled.inc()
        # Only what comes before the arguments: these may be secret.
        what = str(context.get("message", "")).partition("(")[0]
        log.error("unhandled_exception", what=what, exc_info=context.get("exception"))

    async def _drain(self) -> None:
        deadline_seconds = self.settings.drain_seconds
        log.info("draining", deadline_seconds=deadline_seconds)
        part = ""
        try:
            async with asyncio.timeout(deadline_seconds):
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
    """One part that fails to drain must not keep the others from it."""
    try:
        await callback()
    except asyncio.CancelledError:
        # aiormq fails what waits on a lost connection with CancelledError although nobody cancelled this task.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        log.exception("drain_failed", part=part)
    except Exception:
        log.exception("drain_failed", part=part)


async def watch_health(health: Health) -> NoReturn:
    """Asks also where no orchestrator does, so that the metrics tell."""
    while True:
        await asyncio.sleep(HEALTH_INTERVAL_SECONDS)
        await health.ready()


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
    """What was made by now stays: the collector need not look at it again, nor at what is new every 700 objects.

    A tenth less CPU for each request (measured 2026-11-24, cached and uncached reads).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _return_large_allocations() -> None:
    """From a few large messages glibc learns to take such memory from its heap, where it then stays (mallopt(3)).

    A 20 MiB message left 22 MiB with a worker for good (2026-11-24).
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def run(
    name: str,
    settings_class: type[ServiceSettingsT],
    compose: Callable[[Service[ServiceSettingsT]], Awaitable[None]],
) -> NoReturn:
    """A service's ``__main__``: *compose* opens what it needs and returns; then the process serves until stop_requested.

    Stops on SIGTERM and SIGINT; a second one ends the process at once, by that signal.
    Status 0: stopped as told. 1: failed, or could not be closed in time. 78: the settings are wrong.
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
        # From here the kernel's own handling is back: a second signal ends even a process whose loop is blocked.
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        log.info("stop_requested", signal=received.name)
        stop()

    for number in signals:
        loop.add_signal_handler(number, signalled, number)


def _exit_after(seconds: float) -> None:
    """Whatever hangs by then, the process is gone: a thread does it, so that a blocked loop is no way out."""

    def leave() -> None:
        log.critical("stop_timed_out")
        os._exit(1)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def _version() -> str:
    try:
        return metadata.version("autograph")
    except metadata.PackageNotFoundError:  # run from a source tree that was not installed
        return "0+source"
