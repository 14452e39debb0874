"""Abusers of every kind at once, while four honest clients work under the limits that AutoGraph ships with."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from contracts.diagram.diagrams import CreateDiagram
from gateway.settings import GatewaySettings
from tests.eventually import eventually
from tests.faults.abusers import client_from
from tests.faults.honest import Answer, HonestClient
from tests.faults.scenario import percentile
from tests.servers import REPOSITORY
from tests.system.client import somebody
from tests.system.stack import FASTER, Stack
from workers.auth.settings import AuthSettings

pytestmark = pytest.mark.matrix

ABUSE_SECONDS = 120.0
HONEST_CLIENTS = 4
MAX_RESIDENT_BYTES = 400 << 20
MAX_P99_SECONDS = 2.0
OUR_PROCESSES = ("gateway", "auth", "diagram")
# As shipped: what the suites turn off or make cheaper has its default here.
SHIPPED = {
    name: str(field.default)
    for settings in (GatewaySettings, AuthSettings)
    for name, field in ((f"AUTOGRAPH_{key.upper()}", field) for key, field in settings.model_fields.items())
    if name in FASTER
}


@dataclass(slots=True)
class Watch:
    """The most memory that each of our processes had, and which of them were started again."""

    stack: Stack
    peaks: dict[str, int] = field(default_factory=dict)
    pids: dict[str, set[int]] = field(default_factory=dict)

    async def run(self) -> None:
        while True:
            for name in OUR_PROCESSES:
                pid = self.stack.row(name)["pid"]
                self.pids.setdefault(name, set()).add(pid)
                with suppress(OSError):  # it has just ended; the pid of the next will tell
                    self.peaks[name] = max(self.peaks.get(name, 0), _peak_resident_bytes(pid))
            await asyncio.sleep(1)


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[Stack]:
    stack = Stack(tmp_path, given=SHIPPED)
    try:
        stack.up()
        await stack.ready()
        yield stack
    finally:
        await asyncio.to_thread(stack.clean_up)


async def test_honest_clients_are_served_while_every_kind_of_abuse_goes_on(shipped: Stack) -> None:
    """Two minutes, because that is how long the trials that found these abuses went on."""
    url = shipped.row("gateway")["url"]
    watch, stop = Watch(shipped), asyncio.Event()
    async with AsyncExitStack() as held:
        honest = [
            HonestClient(await held.enter_async_context(client_from(f"127.0.1.{number + 1}")), url)
            for number in range(HONEST_CLIENTS)
        ]
        for client in honest:
            await client.come_in()
        abuser = await held.enter_async_context(somebody(url))
        locked = (await abuser.create("Locked")).body["id"]
        database = await asyncpg.connect(shipped.servers().postgres_url)
        held.push_async_callback(database.close)
        lock = database.transaction()
        await lock.start()
        await database.execute("SELECT FROM diagram.files WHERE id = $1 FOR UPDATE", locked)

        added = await shipped.run("producer", "add", "abuser", "--allow", CreateDiagram.routing_key())
        assert added.returncode == 0, added.stderr
        producer = dict(line.split(maxsplit=1) for line in added.stdout.splitlines())

        token = abuser.tokens["access_token"]
        kinds = [
            ("hostile-bodies",),
            ("large-canvases", token),
            ("slow-bodies",),
            ("sign-in-flood",),
            ("registration-flood",),
            ("guess", honest[0].email),
            ("change-what-is-locked", token, locked),
            ("publish-large-messages", producer["address"]),
        ]
        attacks = [await held.enter_async_context(attack(url, *kind)) for kind in kinds]
        watching = asyncio.create_task(watch.run())
        working = [asyncio.create_task(client.work(stop)) for client in honest]
        await asyncio.sleep(ABUSE_SECONDS)
        stop.set()
        await asyncio.gather(*working)
        watching.cancel()
        abusers = [await end(process) for process in attacks]
        await lock.rollback()

        answers = [answer for client in honest for answer in client.answers]
        report = {
            "abusers were answered": abusers,
            "honest answers": dict(Counter((a.kind, a.status, a.code) for a in answers)),
            "honest p50, p99 in s": {kind: _percentiles(answers, kind) for kind in sorted({a.kind for a in answers})},
            "peak MiB": {name: peak >> 20 for name, peak in watch.peaks.items()},
        }
        if named := os.environ.get("AUTOGRAPH_ABUSE_REPORT"):
            await asyncio.to_thread(_write, Path(named), report)

        assert all(abusers), report
        assert {name: len(pids) for name, pids in watch.pids.items()} == dict.fromkeys(OUR_PROCESSES, 1), report
        assert all(peak <= MAX_RESIDENT_BYTES for peak in watch.peaks.values()), report
        assert percentile([answer.seconds for answer in answers], 99) <= MAX_P99_SECONDS, report
        assert [answer for answer in answers if answer.status >= 500 or answer.status == 0] == [], report

        async def kept() -> bool:
            return [await client.broken_promises() for client in honest] == [[]] * len(honest)

        await eventually(kept, within_seconds=60)


@asynccontextmanager
async def attack(url: str, kind: str, *arguments: str) -> AsyncIterator[Process]:
    """A process of its own at the lowest priority, since an attacker would not use the victim's processor."""
    command = ("nice", "-n", "19", sys.executable, "-m", "tests.faults.abusers", kind, url, *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def end(attacking: Process) -> dict[str, dict[str, int]]:
    """What the abuser was answered; nothing if it failed."""
    if attacking.returncode is None:
        attacking.terminate()
    output, _ = await attacking.communicate()
    answers: dict[str, dict[str, int]] = json.loads(output) if attacking.returncode == 0 else {}
    return answers


def _percentiles(answers: Sequence[Answer], kind: str) -> list[float]:
    return [round(percentile([a.seconds for a in answers if a.kind == kind], percent), 3) for percent in (50, 99)]


def _write(file: Path, report: Mapping[str, object]) -> None:
    file.write_text("\n".join(f"{name}: {value}" for name, value in report.items()), encoding="utf-8")


def _peak_resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10
