"""One run: workers in twos, a subscriber, a gateway and its clients; then quiet; then what was so."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from contracts.envelope import decode
from tests.faults.checker import Violation, check
from tests.faults.history import BEGUN, OVER, Aggregate, Event, History
from tests.simulation import loop
from tests.simulation.broker import Broker, message_id
from tests.simulation.clients import EMAIL, OWNER, Client, Gateway, digest_of
from tests.simulation.plan import Fault, Kind, Plan, Step
from tests.simulation.postgres import DOWN_SECONDS, Store
from tests.simulation.redis import AWAY_SECONDS, Server
from tests.simulation.services import SUBSCRIBER, WORKERS, Site, the_topology, work
from tests.simulation.world import EPOCH, Process, World

START_AGAIN_SECONDS = (0.05, 3.0)
QUIET_SECONDS = 90.0  # the ladder's first rungs, a sweep's lease, and a member's removal
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    history: History
    fired: Counter[Kind]
    seen: Counter[str]  # what the run met
    trace: list[str]

    @property
    def violations(self) -> list[Violation]:
        return check(self.history)


def simulate(plan: Plan, *, sweeps: bool = True) -> Result:
    """The same for the same plan, but for ids that the code draws itself."""
    configuration = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        return loop.run(_Run(plan, sweeps=sweeps).result())
    finally:
        structlog.configure(**configuration)


OF_SESSIONS = {
    Step.SIGN_IN, Step.SIGN_OUT, Step.END_SESSION, Step.SIGN_OUT_EVERYWHERE, Step.USE, Step.USE_LONG,
}  # fmt: skip
OWNER_ROW = {
    "id": OWNER.id, "email": EMAIL, "email_key": EMAIL, "name": None, "roles": ("user",), "email_verified": False,
    "created_at": EPOCH, "locked": False, "password_hash": "a hash",
}  # fmt: skip


class _Run:
    def __init__(self, plan: Plan, *, sweeps: bool) -> None:
        self._plan = plan
        self._world = World(plan)
        self._world.struck_by(self._strike)
        broker = Broker(self._world, the_topology())
        stores = {service: Store(self._world, service) for service in WORKERS}
        self._site = Site(self._world, broker, stores, Server(self._world.now), sweeps=sweeps)
        self._history = History()
        self._numbers: Counter[str] = Counter()
        self._processes: list[Process] = []

    async def result(self) -> Result:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self._world.unhandled.append(str(context.get("exception") or context["message"]))
        )
        steps = {step for steps in self._plan.clients for step in steps}
        self._site.stores["auth"].tables["users"][OWNER.id,] = OWNER_ROW
        for service in ("auth",) * 2 * bool(steps & OF_SESSIONS) + ("diagram",) * 2 * bool(steps - OF_SESSIONS):
            self._start(service)
        self._start(SUBSCRIBER)
        gateway_process = Process("gateway", mortal=False)
        gateway = Gateway(self._site, gateway_process, self._history)
        clients = [
            self._world.start(gateway_process, Client(gateway, f"client {number}", self._plan.seed).work(steps), "work")
            for number, steps in enumerate(self._plan.clients)
        ]
        if clients:
            await asyncio.wait(clients)
        self._world.heal()
        until = self._world.now() + QUIET_SECONDS
        while not self._is_quiet() and self._world.now() < until:  # noqa: ASYNC110 - the clock leaps
            await asyncio.sleep(LOOK_SECONDS)
        self._observe()
        await self._end()
        return Result(self._history, self._world.fired, self._world.seen, self._world.trace)

    def _start(self, service: str) -> None:
        self._numbers[service] += 1
        process = Process(f"{service} {self._numbers[service]}")
        self._processes.append(process)

        async def begin() -> None:
            try:
                await work(self._site, process, service)
            except (OSError, asyncpg.PostgresError):  # no database: it ends, and is started again
                self._kill(process)

        self._world.start(process, begin(), "start")

    def _kill(self, process: Process) -> None:
        process.alive = False
        for store in self._site.stores.values():
            store.forget(process)
        self._site.broker.cut(process)
        again = self._world.random.uniform(*START_AGAIN_SECONDS)
        asyncio.get_running_loop().call_later(again, self._start, process.name.rpartition(" ")[0])

    def _strike(self, fault: Fault, process: Process | None) -> None:
        broker = self._site.broker
        if fault.kind in (Kind.KILL, Kind.CUT):
            assert process is not None
            (self._kill if fault.kind is Kind.KILL else broker.cut)(process)
            return
        strikes: dict[Kind, Callable[[], None]] = {
            Kind.BROKER_RESTARTS: broker.restart,
            Kind.POSTGRES_CRASHES: self._crash_postgres,
            Kind.REDIS_EMPTIED: self._site.redis.flush,
            Kind.REDIS_AWAY: self._hide_redis,
            Kind.CONFIRM_LOST: broker.lose_a_confirm,
            Kind.NOT_TAKEN: broker.refuse_one,
            Kind.DOUBLED: broker.double_one,
            Kind.REORDERED: broker.reorder_some,
            Kind.DEADLOCK: self._deadlock_some,
            Kind.POISON: self._poison_one,
        }
        strikes[fault.kind]()

    def _deadlock_some(self) -> None:
        self._world.deadlocks += self._world.random.randint(1, 2)

    def _poison_one(self) -> None:
        self._world.poisons += 1

    def _crash_postgres(self) -> None:
        down_seconds = self._world.random.uniform(*DOWN_SECONDS)
        for store in self._site.stores.values():
            store.crash(down_seconds)

    def _hide_redis(self) -> None:
        self._world.redis_away_until = self._world.now() + self._world.random.uniform(*AWAY_SECONDS)

    def _is_quiet(self) -> bool:
        return not self._site.broker.waiting and not self._left_in_outboxes()

    def _left_in_outboxes(self) -> int:
        return sum(len(store.tables["outbox"]) for store in self._site.stores.values())

    def _observe(self) -> None:
        history, broker, stores = self._history, self._site.broker, self._site.stores
        for service in ("auth", "diagram"):
            for (_, _, message), row in stores[service].tables["inbox"].items():
                history.inbox[UUID(str(message))] = row["status"]
        for body in broker.events:
            envelope, _ = decode(body)
            assert envelope.subject is not None
            assert envelope.sequence is not None
            history.heard.append(
                Event(envelope.id, envelope.causationid, envelope.subject, envelope.sequence, (SUBSCRIBER,))
            )
        self._world.seen["published twice"] += len(history.heard) - len({event.id for event in history.heard})
        history.applied[SUBSCRIBER] = [event for _, event, _ in stores[SUBSCRIBER].tables["applied"]]
        tables = stores["diagram"].tables
        for (diagram,), row in tables["files"].items():
            versions = tuple(sorted(number for file, number in tables["versions"] if file == diagram))
            digest = digest_of(row["note_content"])
            history.aggregates[f"diagram/{diagram}"] = Aggregate(row["revision"], row["sequence"], versions, digest)
        for (session,), row in stores["auth"].tables["sessions"].items():
            number = BEGUN if row["revoked_at"] is None else OVER
            history.aggregates[f"session/{session}"] = Aggregate(revision=number, sequence=number)
        history.outbox = self._left_in_outboxes()
        history.set_aside = {message_id(message.outgoing) for message in broker.parked}
        history.parked = sum(message_id(message.outgoing) not in self._world.poisoned for message in broker.parked)
        history.waiting = broker.waiting
        history.unhandled = self._world.unhandled

    async def _end(self) -> None:
        self._world.over = True
        mine = asyncio.current_task()
        while others := [task for task in asyncio.all_tasks() if task is not mine]:
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=60)
