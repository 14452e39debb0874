"""``GET /api/admin/status``: the state of the installation as data, for administrators.

Each part has a state, a code that a page puts into words, and numbers. What is known comes from what this gateway may
do anyway: its own checks, the lengths of queues that the broker tells everyone who is connected (a passive declare),
and what the processes announce in Redis.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel

from chassis.announcements import Announcement, announced
from chassis.bus.ports import LinkDown
from chassis.health import Health
from chassis.redis import Redis, RedisUnavailable
from contracts.message import Request
from contracts.refusal import Forbidden
from contracts.services import GATEWAY, SERVICES, Service
from contracts.version import VERSION
from gateway.problems import from_refusal
from gateway.responses import json_response
from gateway.sessions import Caller

ADMIN: Final = "admin"
QUEUES_SECONDS: Final = 3.0
OVERDUE_SECONDS: Final = 300.0  # as the alert JobsOverdue

State = Literal["ok", "degraded", "away", "unknown"]
Code = Literal[
    "ok",
    "not_known",  # nobody could be asked
    "unreachable",  # no process reaches it
    "partly_unreachable",  # some processes do not reach it
    "no_process",
    "process_unavailable",  # a process is not ready; its failing checks say why
    "process_degraded",
    "no_consumer",  # nobody takes what is in its queues
    "messages_parked",
    "jobs_failed",
    "jobs_overdue",
]
QueueState = tuple[int, int]  # messages that wait, and consumers
Queues = Callable[[Iterable[str]], Awaitable[Mapping[str, QueueState | None]]]

_WORKERS: Final = tuple(service for service in SERVICES if service.is_worker)
_VITAL: Final = frozenset({"worker", "broker", "database"})  # without one of these people cannot work


class Process(BaseModel):
    id: str
    release: str
    started_at: AwareDatetime
    uptime_seconds: float
    state: Literal["ok", "degraded", "unavailable", "starting", "draining"]
    failing: tuple[str, ...]  # names of checks


class Part(BaseModel):
    name: str
    kind: Literal["gateway", "worker", "broker", "database", "cache", "objects", "parked", "jobs"]
    state: State
    code: Code
    numbers: dict[str, float]
    processes: tuple[Process, ...] = ()


class SystemStatus(BaseModel):
    state: State
    release: str  # of the gateway that answers
    at: AwareDatetime
    parts: tuple[Part, ...]


class StatusReport:
    def __init__(self, redis: Redis, health: Health, queues: Queues | None) -> None:
        self._redis = redis
        self._health = health
        self._queues = queues

    def answering(self, identify: Callable[[web.Request], Awaitable[Caller]]) -> Callable[..., Awaitable[web.Response]]:
        async def answer(http: web.Request) -> web.Response:
            caller = await identify(http)
            if ADMIN not in caller.actor.roles:
                raise from_refusal(Forbidden("Only administrators see this").problem())
            status = await self.status()
            return json_response(200, status.model_dump_json().encode(), {"Cache-Control": "no-store"})

        return answer

    async def status(self) -> SystemStatus:
        report, processes, queues = await asyncio.gather(self._health.ready(), self._announced(), self._queue_states())
        now = datetime.now(UTC)
        parts = [
            self._service_part(GATEWAY, (), processes, None, now),
            *(self._service_part(one.name, _queues_of(one), processes, queues, now) for one in _WORKERS),
            _own_part("broker", "broker", ok=report.checks["rabbitmq"].ok if "rabbitmq" in report.checks else None),
            _own_part("redis", "cache", ok=processes is not None),
            _checked_part("postgres", "database", processes),
            _checked_part("objects", "objects", processes),
            _parked_part(queues),
            _jobs_part(processes),
        ]  # fmt: skip
        return SystemStatus(state=_whole(parts), release=VERSION, at=now, parts=tuple(parts))

    async def _announced(self) -> dict[str, list[Announcement]] | None:
        try:
            return await announced(self._redis, tuple(service.name for service in SERVICES))
        except RedisUnavailable:
            return None

    async def _queue_states(self) -> Mapping[str, QueueState | None] | None:
        if self._queues is None:
            return None
        names = [name for service in _WORKERS for name in (*_queues_of(service), _parked(service))]
        try:
            async with asyncio.timeout(QUEUES_SECONDS):
                return await self._queues(names)
        except (OSError, LinkDown):  # TimeoutError is an OSError
            return None

    @staticmethod
    def _service_part(
        name: str,
        own_queues: tuple[str, ...],
        processes: Mapping[str, list[Announcement]] | None,
        queues: Mapping[str, QueueState | None] | None,
        now: datetime,
    ) -> Part:
        found = sorted((processes or {}).get(name, ()), key=lambda process: process.started_at)
        state, code = _state_of(found, known=processes is not None)
        numbers: dict[str, float] = {"processes": len(found)}
        if queues is not None and own_queues:
            states = [queue_state for queue in own_queues if (queue_state := queues.get(queue)) is not None]
            consumers = [consumers for _, consumers in states]
            numbers |= {"messages_waiting": sum(waiting for waiting, _ in states), "consumers": sum(consumers)}
            if not any(consumers):
                state, code = "away", "no_consumer" if found else "no_process"
            elif not all(consumers) and state in ("ok", "unknown"):
                state, code = "degraded", "no_consumer"
            elif state == "unknown":
                state, code = "ok", "ok"
        kind: Literal["gateway", "worker"] = "gateway" if name == GATEWAY else "worker"
        shown = tuple(_process(process, now) for process in found)
        return Part(name=name, kind=kind, state=state, code=code, numbers=numbers, processes=shown)


def _whole(parts: list[Part]) -> State:
    if any(part.state == "away" and part.kind in _VITAL for part in parts):
        return "away"
    if any(part.state in ("away", "degraded") for part in parts):
        return "degraded"
    return "unknown" if any(part.state == "unknown" for part in parts) else "ok"


def _state_of(found: list[Announcement], *, known: bool) -> tuple[State, Code]:
    if not known:
        return "unknown", "not_known"
    if not found:
        return "away", "no_process"
    states = {process.state for process in found}
    if "unavailable" in states:
        return "away" if states == {"unavailable"} else "degraded", "process_unavailable"
    return ("degraded", "process_degraded") if "degraded" in states else ("ok", "ok")


def _own_part(name: str, kind: Literal["broker", "cache"], *, ok: bool | None) -> Part:
    state: State = "unknown" if ok is None else "ok" if ok else "away"
    code: Code = "not_known" if ok is None else "ok" if ok else "unreachable"
    return Part(name=name, kind=kind, state=state, code=code, numbers={})


def _checked_part(
    check: str, kind: Literal["database", "objects"], processes: Mapping[str, list[Announcement]] | None
) -> Part:
    """What the workers' checks of it say."""
    results = [
        process.checks[check] for found in (processes or {}).values() for process in found if check in process.checks
    ]
    state, code = _reached(results)
    return Part(name=check, kind=kind, state=state, code=code, numbers={"processes": len(results)})


def _reached(results: list[bool]) -> tuple[State, Code]:
    if not results:
        return "unknown", "not_known"
    if all(results):
        return "ok", "ok"
    return ("degraded", "partly_unreachable") if any(results) else ("away", "unreachable")


def _parked_part(queues: Mapping[str, QueueState | None] | None) -> Part:
    if queues is None:
        return Part(name="parked", kind="parked", state="unknown", code="not_known", numbers={})
    by_worker = {service.name: (queues.get(_parked(service)) or (0, 0))[0] for service in _WORKERS}
    any_parked = any(by_worker.values())
    numbers: dict[str, float] = {"messages": sum(by_worker.values()), **by_worker}
    state: State = "degraded" if any_parked else "ok"
    return Part(
        name="parked", kind="parked", state=state, code="messages_parked" if any_parked else "ok", numbers=numbers
    )


def _jobs_part(processes: Mapping[str, list[Announcement]] | None) -> Part:
    """Each process of a service says the numbers of the whole service."""
    numbers: dict[str, float] = {}
    for found in (processes or {}).values():
        for name in ("jobs_queued", "jobs_running", "jobs_failed"):
            numbers[name] = numbers.get(name, 0.0) + max((one.numbers.get(name, 0.0) for one in found), default=0.0)
        overdue = [one.numbers.get("jobs_overdue_seconds", 0.0) for one in found]
        numbers["jobs_overdue_seconds"] = max([numbers.get("jobs_overdue_seconds", 0.0), *overdue])
    state: State = "ok"
    code: Code = "ok"
    if not numbers:
        state, code = "unknown", "not_known"
    elif numbers["jobs_overdue_seconds"] > OVERDUE_SECONDS:
        state, code = "degraded", "jobs_overdue"
    elif numbers["jobs_failed"]:
        state, code = "degraded", "jobs_failed"
    return Part(name="jobs", kind="jobs", state=state, code=code, numbers=numbers)


def _process(found: Announcement, now: datetime) -> Process:
    return Process(
        id=found.id,
        release=found.release,
        started_at=found.started_at,
        uptime_seconds=max(0.0, (now - found.started_at).total_seconds()),
        state=found.state,
        failing=tuple(sorted(name for name, ok in found.checks.items() if not ok)),
    )


def _queues_of(service: Service) -> tuple[str, ...]:
    requests = [message for message in service.messages if issubclass(message, Request)]
    names = {name for request in requests for name in (request.queue(), request.producers_queue())}
    names |= {event.queue(service.name, service.event_bulkheads.get(event)) for event in service.hears}
    return tuple(sorted(names))


def _parked(service: Service) -> str:
    return f"{service.name}.parked"
