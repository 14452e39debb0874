"""A real service process, from its start to its exit status."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chassis.settings import EX_CONFIG

PROGRAM = Path(__file__).with_name("lifecycle_program.py")
ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 30  # for a busy machine; nothing waits this long when it works


class Program:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def until(self, event: str) -> dict[str, Any]:
        """Reads its log up to the line that says *event*."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self.process.stdout:
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"] == event:
                    return self.lines[-1]
        raise AssertionError(f"it ended without saying {event!r}: {self.lines}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def left(self) -> int:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self.process.stdout:
                self.lines.append(json.loads(line))
            return await self.process.wait()

    def said(self, *events: str) -> list[str]:
        """Those of *events* that it said, in its order; with the name of what it was about, if there is one."""
        return [
            " ".join(filter(None, (line["event"], line.get("name")))) for line in self.lines if line["event"] in events
        ]


Start = Callable[..., Awaitable[Program]]


@asynccontextmanager
async def started(folder: Path, mode: str, variables: dict[str, str]) -> AsyncIterator[Program]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")}
    environment |= {"PYTHONPATH": str(ROOT), "AUTOGRAPH_RABBITMQ_URL": "amqp://user:hunter2@127.0.0.1/"}
    environment |= {f"AUTOGRAPH_{name}": value for name, value in variables.items()}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, mode, cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start_one(mode: str, **variables: str) -> Program:
            return await stack.enter_async_context(started(tmp_path, mode, variables))

        yield start_one


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_work_in_hand_is_finished_before_the_process_leaves(start: Start, number: signal.Signals) -> None:
    program = await start("work_in_hand")
    url = (await program.until("side_port_listening"))["url"]
    await program.until("serving")
    ready_before = (await get(f"{url}health/ready"))[0]

    program.signal(number)
    await program.until("waiting for work")
    ready_while_draining = await get(f"{url}health/ready")
    live_while_draining = await get(f"{url}health/live")
    program.go_on()

    assert await program.left() == 0
    assert program.said("work finished", "drained", "closed", "service_stopped") == [
        "work finished",
        "drained",
        "closed pool",
        "service_stopped",
    ]
    assert (ready_before, ready_while_draining[0], live_while_draining[0]) == (200, 503, 200)
    assert json.loads(ready_while_draining[1])["status"] == "draining"


async def test_parts_drain_in_reverse_then_background_ends_then_resources_close(start: Start) -> None:
    program = await start("order")
    await program.until("serving")

    program.signal()

    assert await program.left() == 0
    taking = program.said("stopped taking", "part drained")
    assert sorted(taking[:2]) == ["stopped taking first", "stopped taking second"]  # before any part is drained
    assert program.said("opened", "part drained", "background ended", "closed") == [
        "opened first",
        "opened second",
        "part drained second",
        "part drained first",
        "background ended",
        "closed second",
        "closed first",
    ]


async def test_a_part_that_fails_to_drain_is_told_and_keeps_no_other_from_it(start: Start) -> None:
    program = await start("order")
    await program.until("serving")

    program.signal()

    assert await program.left() == 0
    assert [line["part"] for line in program.lines if line["event"] == "drain_failed"] == ["cancelled", "fails"]
    assert len(program.said("part drained")) == 2


async def test_a_background_task_that_dies_drains_the_service_and_fails_the_process(start: Start) -> None:
    program = await start("task_dies")
    await program.until("serving")

    program.go_on()

    assert await program.left() == 1
    assert program.said("background_task_died", "part drained", "closed", "service_failed") == [
        "background_task_died",
        "part drained",
        "closed pool",
        "service_failed",
    ]
    [death] = [line for line in program.lines if line["event"] == "background_task_died"]
    assert death["task"] == "relay"
    assert death["exception"][0]["exc_value"] == "a bug"


async def test_a_background_task_that_a_library_cancels_fails_the_process_too(start: Start) -> None:
    program = await start("task_is_cancelled")
    await program.until("serving")

    program.go_on()

    assert await program.left() == 1
    assert program.said("background_task_died") == ["background_task_died"]


async def test_a_background_task_may_end_by_itself(start: Start) -> None:
    program = await start("task_ends")
    await program.until("serving")

    program.go_on()
    await program.until("ended by itself")
    program.signal()

    assert await program.left() == 0


async def test_a_drain_that_hangs_ends_at_its_deadline(start: Start) -> None:
    program = await start("drain_hangs", DRAIN_SECONDS="0.2")
    await program.until("serving")

    program.signal()

    assert await program.left() == 0
    [late] = [line for line in program.lines if line["event"] == "drain_deadline_exceeded"]
    assert (late["part"], late["level"]) == ("stuck handler", "error")
    assert program.said("closed", "service_stopped") == ["closed pool", "service_stopped"]


async def test_a_process_that_cannot_close_is_gone_all_the_same(start: Start) -> None:
    program = await start("closing_blocks", DRAIN_SECONDS="0.2")
    await program.until("serving")

    program.signal()

    assert await program.left() == 1
    assert program.lines[-1]["event"] == "stop_timed_out"


async def test_a_second_signal_ends_the_process_at_once(start: Start) -> None:
    program = await start("drain_hangs", DRAIN_SECONDS="600")
    await program.until("serving")

    program.signal()
    await program.until("draining")
    program.signal()

    assert await program.left() == -signal.SIGTERM


async def test_a_service_that_is_still_being_composed_leaves_when_told(start: Start) -> None:
    program = await start("never_composed")
    url = (await program.until("side_port_listening"))["url"]
    await program.until("waiting for a server")
    status, _ = await get(f"{url}health/ready")

    program.signal()

    assert await program.left() == 0
    assert status == 503
    assert program.said("serving", "closed", "service_stopped") == ["closed pool", "service_stopped"]


async def test_a_background_task_that_dies_while_the_service_is_composed_fails_it(start: Start) -> None:
    program = await start("dies_while_composed")
    await program.until("waiting for a server")

    program.go_on()

    assert await program.left() == 1
    assert program.said("serving", "closed", "service_failed") == ["closed pool", "service_failed"]


async def test_a_database_that_cannot_serve_is_said_in_one_sentence(start: Start) -> None:
    program = await start("behind_a_pooler")

    assert await program.left() == EX_CONFIG
    assert program.lines[-1]["reason"] == "the pooler keeps nothing"
    assert "exception" not in program.lines[-1]


async def test_a_service_that_cannot_be_composed_says_why_without_its_secrets(start: Start) -> None:
    program = await start("cannot_be_composed")

    assert await program.left() == 1
    assert program.said("closed", "service_failed") == ["closed pool", "service_failed"]
    assert program.lines[-1]["exception"][0]["exc_value"] == "no route to amqp://user:***@host/"
    assert "hunter2" not in json.dumps(program.lines[-1]["exception"][0]["exc_value"])


async def test_wrong_settings_end_the_process_before_it_opens_anything(start: Start) -> None:
    program = await start("order", SIDE_PORT="x", REDIS_URL="redis://:hunter2@h:port/0")

    assert await program.left() == 78
    assert program.lines == []
    assert program.process.stderr is not None
    said = (await program.process.stderr.read()).decode()
    assert "AUTOGRAPH_SIDE_PORT: " in said
    assert "AUTOGRAPH_REDIS_URL: " in said
    assert "hunter2" not in said


async def test_a_service_runs_on_uvloop(start: Start) -> None:
    program = await start("order")

    assert (await program.until("loop"))["kind"] == "uvloop"
    await program.until("serving")
    program.signal()
    assert await program.left() == 0


async def test_a_callback_that_raises_is_seen_in_the_metrics_and_the_log(start: Start) -> None:
    program = await start("callback_raises")
    url = (await program.until("side_port_listening"))["url"]
    await program.until("serving")

    program.go_on()

    line = await program.until("unhandled_exception")
    assert "Exception in callback" in line["what"]
    assert "RuntimeError" in str(line)
    assert "hunter2" not in line["what"]
    _, scrape = await get(f"{url}metrics")
    assert "autograph_unhandled_exceptions_total 1.0" in scrape
    program.signal()
    assert await program.left() == 0


async def test_a_blocked_event_loop_is_seen_in_the_metrics_and_the_log(start: Start) -> None:
    program = await start("loop_blocks")
    url = (await program.until("side_port_listening"))["url"]
    await program.until("serving")

    program.go_on()

    assert (await program.until("event_loop_blocked"))["seconds"] >= 1
    _, scrape = await get(f"{url}metrics")
    samples = dict(line.rsplit(" ", 1) for line in scrape.splitlines() if not line.startswith("#"))
    blocked = float(samples["autograph_event_loop_lag_seconds_count"]) - float(
        samples['autograph_event_loop_lag_seconds_bucket{le="1.0"}']
    )
    assert blocked >= 1
    program.signal()
    assert await program.left() == 0


async def test_a_side_port_that_is_taken_is_a_free_one_on_a_developers_machine(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = await start("order", SIDE_PORT=str(port))
        url = (await program.until("side_port_listening"))["url"]
        await program.until("serving")

        assert f":{port}/" not in url
        assert (await get(f"{url}health"))[0] == 200
        program.signal()
        assert await program.left() == 0


async def test_a_side_port_that_is_taken_fails_a_deployment(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = await start("order", SIDE_PORT=str(port), SIDE_HOST="127.0.0.1", PROFILE="docker")

        assert await program.left() == 1
        assert program.said("opened", "service_failed") == ["service_failed"]
