"""The frame of every scenario: people at work, a fault, the healing, quiet, and what they were told is judged."""

import asyncio
import re
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

from contracts.auth.sessions import SessionNotFound
from contracts.catalogue import SUBSCRIPTIONS
from tests.eventually import eventually
from tests.faults import history
from tests.faults.checker import Promise, check
from tests.faults.clients import CLIENTS, SIGNED_IN_SECONDS, Command, Crowd, Told, at_work
from tests.faults.history import History
from tests.faults.observation import Observation, observe, parked, quiet, repeated, set_aside, tapped
from tests.faults.report import Row
from tests.faults.stack import FaultStack

WARM_COMMANDS = 12  # told before anything breaks
PROBE_SECONDS = 0.1
ALLOWED_SECONDS = 10.0  # the contracts' timeout
REGRESSIONS = (Promise.VERSIONS, Promise.STALE, Promise.OVERWRITTEN, Promise.CONTENT)
# What asyncio says of an exception that nobody took, and the chassis of a task that should not have ended.
UNHANDLED = re.compile(
    r"exception was never retrieved|background_task_died|service_failed|Unhandled exception|unhandled_exception"
    r"|Exception in callback"
)


@dataclass(slots=True)
class Run:
    """One scenario under way. ``fired`` is what its faults did, by name; at the end each must have happened."""

    stack: FaultStack
    crowd: Crowd
    fault: str
    fired: dict[str, int] = field(default_factory=dict)
    began_at: float = field(default_factory=time.monotonic)
    healed_at: float | None = None
    recovery_seconds: float | None = None
    parked_before: int = 0
    set_aside_before: set[UUID] = field(default_factory=set)
    emptied: set[UUID] = field(default_factory=set)  # messages that the scenario took out of a parking lot
    observation: Observation = field(default_factory=Observation)
    notes: list[str] = field(default_factory=list)
    # By process: its pid and what it had in memory, before and after. Who was started again is left out.
    resident_before: dict[str, tuple[int, int]] = field(default_factory=dict)
    resident_after: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def told(self) -> Told:
        return self.crowd.told

    def count(self, name: str, times: int = 1) -> None:
        self.fired[name] = self.fired.get(name, 0) + times

    async def until_told(self, count: int, *, within_seconds: float = 60.0) -> None:
        """Until *count* more commands have succeeded."""
        wanted = self._succeeded() + count

        async def so_many() -> bool:
            return self._succeeded() >= wanted

        await eventually(so_many, within_seconds=within_seconds)

    def seconds_of(self, status: int, *, since: float, until: float = float("inf"), code: str = "") -> list[float]:
        """How long each request took that began then and was answered so."""
        return [
            request.seconds
            for request in self.told.requests
            if since <= request.begun_at <= until and request.status == status and code in ("", request.code)
        ]

    def failed(self) -> list[str]:
        """What clients were told that was no answer, or blamed us."""
        return [f"{one.status} {one.code}" for one in self.told.requests if one.status >= 500 or one.status == 0]

    @asynccontextmanager
    async def probed(self) -> AsyncIterator[None]:
        """Somebody who asks every tenth of a second, whether or not the last one was answered."""

        async def probe(group: asyncio.TaskGroup) -> None:
            while True:
                group.create_task(self.crowd.people[0].try_once())
                await asyncio.sleep(PROBE_SECONDS)

        async with asyncio.TaskGroup() as group:
            probing = group.create_task(probe(group))
            try:
                yield
            finally:
                probing.cancel()

    async def connections(self) -> list[str]:
        told = await self.stack.rabbitmqctl("--silent", "list_connections", "pid")
        return told.split()

    def resident_bytes(self, name: str) -> int:
        return _resident_bytes(self.stack.row(name).pid)

    def residents(self) -> dict[str, tuple[int, int]]:
        """Our processes: pid and bytes in memory."""
        rows = [row for service in ("gateway", "auth", "diagram") for row in self.stack.rows(service)]
        return {row.name: (row.pid, _resident_bytes(row.pid)) for row in rows if row.identity.alive()}

    def _succeeded(self) -> int:
        return sum(command.outcome == "succeeded" for command in self.told.commands)

    async def recovered(self, since: float | None = None, *, within_seconds: float = 60.0) -> float:
        """Seconds from *since*, when the fault was over, until a command that a client sent after it had succeeded."""
        self.healed_at = time.monotonic() if since is None else since
        healed_at = self.healed_at

        async def served() -> Command | None:
            return next((c for c in self.told.commands if c.outcome == "succeeded" and c.ended_at > healed_at), None)

        command = await eventually(served, within_seconds=within_seconds)
        assert command is not None
        self.recovery_seconds = max(self.recovery_seconds or 0.0, command.ended_at - healed_at)
        return command.ended_at - healed_at


@asynccontextmanager
async def under_load(
    stack: FaultStack,
    rows: list[Row],
    fault: str,
    *,
    address: str | None = None,
    clients: int = CLIENTS,
    signed_in_seconds: tuple[float, float] = SIGNED_IN_SECONDS,
) -> AsyncIterator[Run]:
    """People at work for as long as the block runs; then all that was promised is held against what is so.

    What was parked before is not counted. Whatever the block armed is disarmed.
    """
    marks = _log_marks(stack)
    async with tapped(stack) as tap:
        async with at_work(address or stack.gateway, clients=clients, signed_in_seconds=signed_in_seconds) as crowd:
            run = Run(stack, crowd, fault, parked_before=await parked(stack))
            run.set_aside_before = await set_aside(stack)
            await run.until_told(WARM_COMMANDS)
            run.resident_before = run.residents()
            try:
                yield run
            finally:
                stack.failpoints.disarm()
                crowd.stop.set()
        await stack.all_running()
        await quiet(stack)
        run.resident_after = run.residents()
        run.observation = await observe(stack, tap, list(crowd.told.users.values()))
    _judge(run, rows, _history(run, _unhandled(stack, marks)))


def _judge(run: Run, rows: list[Row], found: History) -> None:
    violations = check(found)
    broken = Counter(violation.promise for violation in violations)
    told = run.told
    rows.append(
        Row(
            fault=run.fault,
            fired=run.fired,
            requests=len(told.requests),
            accepted=told.accepted,
            lost=broken[Promise.LOST] + broken[Promise.MISSING],
            doubled=broken[Promise.DOUBLED] + broken[Promise.APPLIED_ONCE],
            regressions=sum(broken[promise] for promise in REGRESSIONS),
            recovery_seconds=run.recovery_seconds,
            worst_open_seconds=told.worst_open_seconds(),
            notes=[*run.notes, f"{repeated(run.observation.heard)} events twice on the wire"],
        )
    )
    assert run.fired, "no fault was injected"
    assert [name for name, times in run.fired.items() if not times] == []
    if violations:
        file = run.stack.home.subfolder("histories") / f"{re.sub(r'[^a-z0-9]+', '-', run.fault.lower())}.json"
        found.write(file)
        raise AssertionError("\n".join([*map(str, violations[:20]), f"{len(violations)} in all; the history: {file}"]))


def _history(run: Run, unhandled: list[str]) -> History:
    told, seen = run.told, run.observation
    return History(
        commands=[*_commands(told), *_sign_ins(told), *_registrations(told, seen)],
        reads=[
            history.Read(read.client, read.aggregate, read.begun_at, read.revision, read.may_be_gone, read.digest)
            for read in told.reads
        ],
        requests=[
            history.Request(one.begun_at, one.seconds, one.status, allowed_seconds=ALLOWED_SECONDS)
            for one in told.requests
        ],
        heard=[
            history.Event(
                heard.id,
                heard.cause,
                heard.subject,
                heard.sequence,
                tuple(name for name, types in _HEARERS.items() if heard.type in types),
            )
            for heard in seen.heard
        ],
        # The log's ids are unique: what would be applied twice is refused by it, and stands in the parking lot then.
        applied={"auth": [heard.id for heard in set(seen.heard) if heard.id in seen.audited]},
        inbox=seen.inbox,
        aggregates=_aggregates(seen),
        outbox=seen.outbox,
        parked=seen.parked - run.parked_before,
        # What a scenario has emptied out of the lots was there.
        set_aside=seen.set_aside | run.emptied | run.set_aside_before,
        waiting=seen.waiting,
        unhandled=unhandled,
        resident_bytes={
            name: (before, run.resident_after[name][1])
            for name, (pid, before) in run.resident_before.items()
            if name in run.resident_after and run.resident_after[name][0] == pid
        },
    )


def _commands(told: Told) -> list[history.Command]:
    return [
        history.Command(
            id=command.id,
            client=command.client,
            aggregate=None if command.diagram is None else f"diagram/{command.diagram}",
            begun_at=command.begun_at,
            ended_at=command.ended_at,
            accepted=command.accepted,
            outcome=command.outcome,
            revision=command.reply.get("revision"),
            expected=command.expected,
            version=command.reply.get("version"),
            digest=command.digest,
            # That there is no such session says as well that it is over.
            ends=command.ends if command.outcome in (history.SUCCEEDED, SessionNotFound.code) else (),
        )
        for command in told.commands
    ]


def _sign_ins(told: Told) -> list[history.Command]:
    """A session has its sign-in's id."""
    return [
        history.Command(
            id=UUID(one.session.removeprefix("session/")),
            client=one.client,
            aggregate=one.session,
            begun_at=one.begun_at,
            ended_at=one.ended_at,
            accepted=True,
            outcome=history.SUCCEEDED,
            revision=history.BEGUN,
            is_transient=True,
        )
        for one in told.sign_ins
    ]


def _registrations(told: Told, seen: Observation) -> list[history.Command]:
    """Who registers is nobody yet, and cannot know the message's id: it is what the event says."""
    causes = {heard.subject: heard.cause for heard in seen.heard if heard.sequence == 1}
    return [
        history.Command(
            id=causes.get(f"user/{user}") or uuid4(),
            client=user,
            aggregate=f"user/{user}",
            begun_at=at,
            ended_at=at,
            accepted=True,
            outcome=history.SUCCEEDED,
        )
        for user, at in told.registered_at.items()
    ]


def _aggregates(seen: Observation) -> dict[str, history.Aggregate]:
    diagrams = {
        f"diagram/{name}": history.Aggregate(
            revision,
            sequence,
            tuple(seen.versions.get(name, ())),
            seen.digests[name],
            {number: digest for number, digest in seen.versions.get(name, {}).items() if digest is not None},
        )
        for name, (revision, _, sequence) in seen.diagrams.items()
    }
    sessions = {f"session/{name}": history.Aggregate(number, number) for name, number in seen.sessions.items()}
    users = {f"user/{name}": history.Aggregate(sequence, sequence) for name, sequence in seen.users.items()}
    return diagrams | sessions | users


_HEARERS = {name: {event.wire_name for event in events} for name, events in SUBSCRIPTIONS.items()}


def _resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def percentile(values: list[float], percent: int) -> float:
    return sorted(values)[max(0, len(values) * percent // 100 - 1)]


def _log_marks(stack: FaultStack) -> dict[Path, int]:
    return {path: path.stat().st_size for path in (stack.home.folder / "logs").glob("*.log")}


def _unhandled(stack: FaultStack, marks: dict[Path, int]) -> list[str]:
    found = []
    for path in (stack.home.folder / "logs").glob("*.log"):
        if path.stem.split("-")[0] not in ("gateway", "auth", "diagram"):
            continue
        with path.open(encoding="utf-8", errors="replace") as log:
            log.seek(marks.get(path, 0))
            found += [f"{path.stem}: {line[:500]}" for line in log if UNHANDLED.search(line)]
    return found
