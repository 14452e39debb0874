"""What a gateway does for its clients: commands with their repeats, reads through the cache; all of it written down."""

import asyncio
from random import Random
from typing import Any
from uuid import UUID, uuid5

from chassis.bus.headers import service_user
from chassis.bus.ports import ConfirmMissing, Delivery, Letter, NotPublished, Receipt
from chassis.bus.replies import read_reply
from chassis.cache import CacheReader, Entry, Hit
from contracts.diagram import ChangeDiagram, CreateDiagram, GetDiagram
from contracts.envelope import Actor, ActorKind, Envelope, encode
from contracts.message import Kind, Request
from contracts.outcome import Outcome, Status
from tests.faults import history
from tests.faults.history import SUCCEEDED, UNKNOWN, History
from tests.simulation.broker import BrokerPublisher
from tests.simulation.plan import Step
from tests.simulation.redis import RedisInMemory
from tests.simulation.services import Site
from tests.simulation.world import Process

SPACE = UUID("5d6a2c1e-0000-4000-8000-000000000000")
OWNER = Actor(kind=ActorKind.USER, id=SPACE, name="somebody")
REPLIES = f"reply.{service_user('gateway')}.1"
PATIENCE_SECONDS = (0.05, 3.0)  # for one reply; the shorter, the more repeats
AGAIN_SECONDS = (0.0, 0.5)
LEAVES = 0.3  # how often a client does not ask again
GIVE_UP_SECONDS = 120.0
KEPT_SECONDS = 3600.0


class Gateway:
    """Immortal: what becomes of a request when it dies is its client's not knowing, which repeats show as well."""

    def __init__(self, site: Site, process: Process, history: History) -> None:
        self.site = site
        self.history = history
        self.process = process
        self.known: list[str] = []  # diagrams that a client was told of
        self.cache = CacheReader(RedisInMemory(site.world, site.redis), {"diagram": "diagram"})
        self._publisher = BrokerPublisher(site.broker, service_user("gateway"))
        self._waiting: dict[UUID, asyncio.Future[Outcome]] = {}
        site.broker.consume(process, REPLIES, self._take, acknowledges=False)

    async def _take(self, delivery: Delivery, _: Receipt) -> None:
        request, outcome = read_reply(delivery.body)
        waiter = self._waiting.get(request)
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    async def ask(self, request: Request[Any], message_id: UUID, seconds: float) -> tuple[bool, Outcome | None]:
        """Whether the broker confirmed it, and the outcome if one came in time."""
        world = self.site.world
        envelope = Envelope(
            id=message_id,
            source="/gateway",
            type=request.wire_name,
            time=world.clock(),
            correlationid=str(message_id),
            actor=OWNER,
            fingerprint="f" if request.kind is Kind.COMMAND else None,
        )
        letter = Letter(
            exchange=request.exchange(),
            routing_key=request.routing_key(),
            body=encode(envelope, request),
            type=request.wire_name,
            correlation_id=envelope.correlationid,
            reply_to=REPLIES,
            expiration_seconds=None if request.kind is Kind.COMMAND else seconds,
            persistent=request.kind is Kind.COMMAND,
        )
        waiter = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        confirmed = False
        try:
            async with asyncio.timeout(seconds):
                try:
                    await self._publisher.publish(letter, timeout_seconds=seconds)
                    confirmed = True
                except ConfirmMissing:
                    pass  # the reply may come all the same
                return True, await waiter
        except (TimeoutError, NotPublished):
            return confirmed, None


class Client:
    def __init__(self, gateway: Gateway, name: str, seed: int) -> None:
        self._gateway = gateway
        self._name = name
        self._world = gateway.site.world
        self._random = Random(f"{seed} {name}")  # noqa: S311 - a simulation
        self._revisions: dict[str, int] = {}
        self._count = 0

    async def work(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            await asyncio.sleep(self._random.uniform(0, 0.1))
            diagrams = self._gateway.known
            diagram = self._random.choice(diagrams) if diagrams else None
            match step:
                case Step.READ if diagram is not None:
                    await self._read(diagram)
                case Step.CHANGE if diagram is not None:
                    title = f"{self._name} {self._count}"
                    await self._command(ChangeDiagram(id=UUID(diagram), title=title), diagram)
                case Step.CHANGE_EXPECTED if diagram is not None:
                    change = ChangeDiagram(
                        id=UUID(diagram),
                        note_content=f"{self._name} {self._count}",
                        expected_revision=self._revisions.get(diagram, 1),
                    )
                    await self._command(change, diagram)
                case _:
                    await self._command(CreateDiagram(title=self._name, note_content="x", type="note"), None)

    async def _command(self, command: Request[Any], diagram: str | None) -> None:
        message_id, begun_at = self._next_id(), self._world.now()
        accepted, outcome = False, None
        while outcome is None and self._world.now() < begun_at + GIVE_UP_SECONDS:
            confirmed, told = await self._gateway.ask(command, message_id, self._random.uniform(*PATIENCE_SECONDS))
            accepted |= confirmed
            if told is not None and told.status is not Status.FAILED:
                outcome = told
            elif accepted and self._random.random() < LEAVES:
                break  # told that it will be carried out, and content with that
            else:
                await asyncio.sleep(self._random.uniform(*AGAIN_SECONDS))
        reply = (outcome.parsed() if outcome is not None else None) or {}
        succeeded = outcome is not None and outcome.status is Status.SUCCEEDED
        if succeeded:
            diagram = str(reply["id"])
            self._revisions[diagram] = reply["revision"]
            if diagram not in self._gateway.known:
                self._gateway.known.append(diagram)
        self._world.seen["refused"] += outcome is not None and not succeeded
        self._gateway.history.commands.append(
            history.Command(
                id=message_id,
                client=self._name,
                aggregate=diagram,
                begun_at=begun_at,
                ended_at=self._world.now(),
                accepted=accepted,
                outcome=UNKNOWN if outcome is None else SUCCEEDED if succeeded else "refused",
                revision=reply["revision"] if succeeded else None,
            )
        )

    async def _read(self, diagram: str) -> None:
        begun_at = self._world.now()
        [found] = await self._gateway.cache.read(Entry(f"diagram/{diagram}", str(OWNER.id)))
        if isinstance(found, Hit):
            self._world.seen["read from the cache"] += 1
            self._has_read(diagram, begun_at, int(found.value))
            return
        _, outcome = await self._gateway.ask(GetDiagram(id=UUID(diagram)), self._next_id(), 5.0)
        if outcome is None or outcome.status is not Status.SUCCEEDED:
            return  # a read may fail
        revision = outcome.parsed()["revision"]
        filled = await self._gateway.cache.fill(found, b"%d" % revision, stay_seconds=KEPT_SECONDS)
        self._world.seen["not filled"] += found.token is not None and not filled
        self._has_read(diagram, begun_at, revision)

    def _has_read(self, diagram: str, begun_at: float, revision: int) -> None:
        self._revisions[diagram] = revision
        self._gateway.history.reads.append(history.Read(self._name, diagram, begun_at, revision))

    def _next_id(self) -> UUID:
        self._count += 1
        return uuid5(SPACE, f"{self._name} {self._count}")
