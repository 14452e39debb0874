"""What the supervisor does with real processes: small ones, that do as each test wants."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from compose.local.home import Home, OperatorError, RunningProcess
from compose.local.process import Identity
from compose.local.server import Spec
from compose.local.supervisor import BACKOFF_SECONDS, Supervisor, stop_leftovers
from tests.eventually import eventually

SLEEPS = "import time; time.sleep(600)"
LEAVES_IN_ORDER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready", flush=True)
time.sleep(600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


class Stage:
    def __init__(self, folder: Path) -> None:
        self.home = Home(folder).open()
        self.told: list[tuple[str, str]] = []
        self.supervisor = Supervisor(self.home, lambda name, state: self.told.append((name, state)))

    def running(self, name: str) -> RunningProcess:
        return next(process for process in self.home.state().processes if process.name == name)

    async def written(self, name: str) -> None:
        """Readiness for a program that says ``ready``, which only counts once each time it was started."""
        assert self.home.log(name).read_text(encoding="utf-8").count("ready") == self.told.count((name, "starting"))

    async def running_again(self, before: RunningProcess, *, within_seconds: float = 10.0) -> RunningProcess:
        async def again() -> RunningProcess | None:
            now = self.running(before.name)
            return now if now.state == "running" and now.pid != before.pid else None

        found = await eventually(again, within_seconds=within_seconds)
        assert found is not None
        return found


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    await stage.supervisor.stop()


def program(name: str, text: str, *, ready: Callable[[], Awaitable[None]] | None = None, **more: object) -> Spec:
    given = {"ready": ready} if ready is not None else {}
    return Spec(name=name, command=(sys.executable, "-c", text), environment={}, **given, **more)  # type: ignore[arg-type]  # each test's own


async def test_a_process_that_was_killed_is_started_again(stage: Stage) -> None:
    await stage.supervisor.start([program("one", SLEEPS)])
    before = stage.running("one")

    os.kill(before.pid, signal.SIGKILL)

    assert (await stage.running_again(before)).identity.alive()


async def test_a_process_is_prepared_for_its_stop_while_it_still_runs(stage: Stage) -> None:
    alive: list[bool] = []

    async def before_stop() -> None:
        alive.append(stage.running("one").identity.alive())

    await stage.supervisor.start([program("one", SLEEPS, before_stop=before_stop)])
    await stage.supervisor.stop()

    assert alive == [True]


async def test_a_process_that_left_in_order_is_started_again_at_once_however_often(stage: Stage) -> None:
    await stage.supervisor.start([program("one", LEAVES_IN_ORDER, ready=lambda: stage.written("one"))])
    for _ in range(4):
        before = stage.running("one")
        os.kill(before.pid, signal.SIGTERM)
        await stage.running_again(before, within_seconds=2.0)


async def test_a_process_that_crashes_again_and_again_is_given_more_time_and_shown_as_restarting(stage: Stage) -> None:
    crashes = stage.home.folder / "crashes"
    text = f"""
import pathlib, time
marker = pathlib.Path({str(crashes)!r})
if marker.exists():
    raise SystemExit(1)
print("ready", flush=True)
time.sleep(600)
"""
    await stage.supervisor.start([program("one", text, ready=lambda: stage.written("one"))])
    crashes.touch()
    begun = time.monotonic()
    os.kill(stage.running("one").pid, signal.SIGKILL)

    async def tried_three_times() -> bool:
        return stage.told.count(("one", "starting")) == 4

    await eventually(tried_three_times)
    assert time.monotonic() - begun >= 0.2 + 1.0 + 2.0
    await eventually(lambda: _is(stage.running("one").state, "restarting"))
    stopped = time.monotonic()
    await stage.supervisor.stop()
    assert time.monotonic() - stopped < BACKOFF_SECONDS[3]  # it does not wait for the next try


async def test_a_process_that_does_not_get_ready_is_said_with_its_log(stage: Stage) -> None:
    async def never() -> None:
        raise ConnectionRefusedError("refused")

    with pytest.raises(OperatorError, match=r"one was not ready after 0 s \(refused\): see .*one\.log"):
        await stage.supervisor.start([program("one", SLEEPS, ready=never, ready_seconds=0.3)])
    left = stage.running("one").identity
    await stage.supervisor.stop()
    assert not left.alive()


async def test_a_process_that_ends_as_it_starts_is_said_with_its_status(stage: Stage) -> None:
    async def never() -> None:
        raise ConnectionRefusedError

    with pytest.raises(OperatorError, match=r"one ended with 7 as it started: see .*one\.log"):
        await stage.supervisor.start([program("one", "raise SystemExit(7)", ready=never)])


async def test_a_process_that_does_not_listen_is_killed(stage: Stage) -> None:
    await stage.supervisor.start([program("one", DEAF, ready=lambda: stage.written("one"), stop_seconds=0.3)])
    deaf = stage.running("one").identity

    await stage.supervisor.stop()

    assert not deaf.alive()
    assert stage.home.state().processes == []


async def test_services_are_stopped_before_the_servers_that_they_need(stage: Stage) -> None:
    await stage.supervisor.start([program("server", SLEEPS), program("service", SLEEPS, kind="service")])

    await stage.supervisor.stop()

    stops = [told for told in stage.told if told[1] in ("stopping", "stopped")]
    assert stops == [("service", "stopping"), ("service", "stopped"), ("server", "stopping"), ("server", "stopped")]


async def test_what_is_removed_is_stopped_and_not_started_again_until_it_is_wanted(stage: Stage) -> None:
    await stage.supervisor.start([program("one", SLEEPS, kind="service"), program("two", SLEEPS, kind="service")])
    one, two = stage.running("one"), stage.running("two")

    await stage.supervisor.remove(["two"])

    assert not two.identity.alive()
    assert one.identity.alive()
    assert stage.supervisor.names("service") == {"one"}
    assert [process.name for process in stage.home.state().processes] == ["one"]
    await stage.supervisor.start([program("two", SLEEPS, kind="service")])
    os.kill(stage.running("two").pid, signal.SIGKILL)
    assert (await stage.running_again(stage.running("two"))).identity.alive()


async def test_what_crashes_again_and_again_can_be_removed(stage: Stage) -> None:
    await stage.supervisor.start([program("one", LEAVES_IN_ORDER, ready=lambda: stage.written("one"))])
    os.kill(stage.running("one").pid, signal.SIGKILL)

    await stage.supervisor.remove(["one"])
    begun = stage.told.count(("one", "starting"))

    assert stage.home.state().processes == []
    await stage.supervisor.stop()
    assert stage.told.count(("one", "starting")) == begun


async def test_nothing_is_started_once_the_stack_stops(stage: Stage) -> None:
    await stage.supervisor.stop()

    with pytest.raises(OperatorError, match="the stack stops"):
        await stage.supervisor.start([program("late", SLEEPS)])


async def test_a_program_that_is_not_there_is_an_error_and_no_hang(stage: Stage) -> None:
    spec = Spec(name="one", command=(str(stage.home.folder / "no-such-program"),), environment={})

    with pytest.raises(FileNotFoundError):
        await stage.supervisor.start([spec])


async def test_what_a_supervisor_left_is_stopped_with_its_files_and_nothing_else_is_touched(
    stage: Stage, tmp_path: Path
) -> None:
    leftover = tmp_path / "socket"
    leftover.touch()
    ours = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    theirs = await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True)
    found = Identity.of(ours.pid)
    other = Identity.of(theirs.pid)
    assert found is not None
    assert other is not None
    stage.home.save_state(
        None,
        [
            RunningProcess("ours", found.pid, found.started, leaves=[str(leftover)]),
            RunningProcess("reused", other.pid, other.started - 1),  # a pid that somebody else has by now
        ],
    )
    try:
        assert await asyncio.to_thread(stop_leftovers, stage.home) == ["ours"]
        assert await ours.wait() == -signal.SIGTERM
        assert other.alive()
        assert not leftover.exists()
        assert stage.home.state().processes == []
    finally:
        theirs.kill()
        await theirs.wait()


async def test_whoever_reads_the_state_meanwhile_sees_it_whole(stage: Stage) -> None:
    many = [RunningProcess(f"process-{number}", number, number) for number in range(200)]

    def write() -> None:
        for count in range(100):
            stage.home.save_state(None, many[: count % 2 * 200])

    writing = asyncio.create_task(asyncio.to_thread(write))
    seen = set()
    while not writing.done():
        seen.add(len(stage.home.state().processes))
        await asyncio.sleep(0)
    await writing
    assert seen <= {0, 200}
    assert not list(stage.home.folder.glob("state.json?*"))


async def _is(value: str, expected: str) -> bool:
    return value == expected
