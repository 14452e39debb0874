"""What a gateway does for its clients: commands with their repeats, reads through the cache; all of it written down."""

import asyncio
import hashlib
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID, uuid5

from chassis.bus.headers import service_user
from chassis.bus.ports import ConfirmMissing, Delivery, NotPublished, OutgoingMessage, Receipt
from chassis.bus.replies import read_reply
from chassis.cache import CacheReader, Entry, Hit
from contracts.auth.sessions import EndSession, GetLiveSession, SessionNotFound, SignIn, SignOut, SignOutEverywhere
from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram, GetDiagram
from contracts.envelope import Actor, ActorKind, Envelope, encode
from contracts.message import Kind, Request
from contracts.outcome import Outcome, Status
from contracts.sealed import Box
from tests.faults import history
from tests.faults.history import ABSENT, BEGUN, SUCCEEDED, UNKNOWN, History
from tests.faults.session_tracker import SessionTracker
from tests.simulation.broker import BrokerPublisher
from tests.simulation.plan import Step
from tests.simulation.redis import RedisInMemory
from tests.simulation.services import Site
from tests.simulation.world import Process

SPACE = UUID("5d6a2c1e-0000-4000-8000-000000000000")
OWNER = Actor(kind=ActorKind.USER, id=SPACE, name="somebody")
EMAIL = "somebody@example.org"
REPLIES = f"reply.{service_user('gateway')}.1"
PATIENCE_SECONDS = (0.05, 3.0)  # for one reply; the shorter, the more repeats
AGAIN_SECONDS = (0.0, 0.5)
WAIT_SECONDS = (0.5, 4.0)
LEAVES = 0.3  # how often a client does not ask again
GIVE_UP_SECONDS = 120.0
KEPT_SECONDS = 3600.0
LOOKS = 12  # of who watches
FIRST_LOOK_SECONDS, LATER = 0.02, 1.35  # between the first two, and how much longer each time after
AT_ONCE = 4
RECENT = 4  # sessions
LOOKS_AFTER = 0.7  # how often a client looks at once whether what it was told is so


def digest_of(content: str | None) -> str:
    return hashlib.sha256((content or "").encode()).hexdigest()[:16]


class Gateway:
    """Immortal: what becomes of a request when it dies is its client's not knowing, which repeats show as well."""

    def __init__(self, site: Site, process: Process, history: History) -> None:
        self.site = site
        self.history = history
        self.process = process
        self.known: dict[str, int] = {}  # the newest revision that a client was told, by diagram
        self.sessions = SessionTracker()
        self.cache = CacheReader(RedisInMemory(site.world, site.redis), {"diagram": "diagram", "session": "auth"})
        self._publisher = BrokerPublisher(site.broker, service_user("gateway"))
        self._waiting: dict[UUID, asyncio.Future[Outcome]] = {}
        site.broker.consume(process, REPLIES, self._take, acknowledges=False)

    async def _take(self, delivery: Delivery, _: Receipt) -> None:
        request, outcome = read_reply(delivery.body)
        waiter = self._waiting.get(request)
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    async def ask(
        self, request: Request[Any], message_id: UUID, seconds: float, actor: Actor = OWNER
    ) -> tuple[bool, Outcome | None]:
        """Whether the broker confirmed it, and the outcome if one came in time."""
        world = self.site.world
        envelope = Envelope(
            id=message_id,
            source="/gateway",
            type=request.wire_name,
            time=world.clock(),
            correlationid=str(message_id),
            actor=actor,
            fingerprint="f" if request.kind is Kind.COMMAND else None,
        )
        outgoing = OutgoingMessage(
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
                    await self._publisher.publish(outgoing, timeout_seconds=seconds)
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
        self._count = 0

    async def work(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            await asyncio.sleep(self._random.uniform(0, 0.1))
            match step:
                case Step.WAIT:
                    await asyncio.sleep(self._random.uniform(*WAIT_SECONDS))
                case Step.SIGN_IN | Step.SIGN_OUT | Step.END_SESSION | Step.SIGN_OUT_EVERYWHERE:
                    await self._change_sessions(step)
                case Step.USE | Step.USE_LONG:
                    await self._look(1 if step is Step.USE else LOOKS, self._use_one)
                case Step.READ | Step.WATCH:
                    await self._look(1 if step is Step.READ else LOOKS, self._read_one)
                case Step.CREATE_TOGETHER:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(AT_ONCE):
                            group.create_task(self._change_diagrams(Step.CREATE))
                case _:
                    await self._change_diagrams(step)

    # Diagrams

    async def _change_diagrams(self, step: Step) -> None:
        known = self._gateway.known
        content = f"{self._name} {self._count}"
        if step is Step.CREATE or not known:
            create = CreateDiagram(title=self._name, note_content=content, type="note")
            command = await self._command(create, digest=digest_of(content))
            diagram = command.aggregate
        else:
            diagram = self._random.choice(list(known))
            identity, expected = UUID(diagram.removeprefix("diagram/")), known[diagram]
            match step:
                case Step.CHANGE:
                    change, digest = ChangeDiagram(id=identity, title=content), None
                case _:
                    expected -= step is Step.CHANGE_STALE and expected > 1
                    change = ChangeDiagram(id=identity, note_content=content, expected_revision=expected)
                    digest = digest_of(content)
            command = await self._command(change, aggregate=diagram, digest=digest)
        if diagram is not None and command.revision is not None:
            known[diagram] = max(command.revision, known.get(diagram, 0))
            if self._random.random() < LOOKS_AFTER:
                await self._read(diagram)

    async def _read_one(self) -> None:
        if self._gateway.known:
            await self._read(self._random.choice(list(self._gateway.known)))

    async def _read(self, aggregate: str) -> None:
        begun_at = self._world.now()
        [found] = await self._gateway.cache.read(Entry(aggregate, str(OWNER.id)))
        if isinstance(found, Hit):
            self._world.seen["read from the cache"] += 1
            revision, digest = found.value.decode().split()
            self._has_read(aggregate, begun_at, int(revision), digest)
            return
        identity = UUID(aggregate.removeprefix("diagram/"))
        _, outcome = await self._gateway.ask(GetDiagram(id=identity), self._next_id(), 5.0)
        if outcome is None or outcome.status is Status.FAILED:
            return  # a read may fail
        if outcome.status is Status.REFUSED:
            self._has_read(aggregate, begun_at, ABSENT)
            return
        shown = outcome.parsed()
        revision, digest = shown["revision"], digest_of(shown["note_content"])
        filled = await self._gateway.cache.fill(found, f"{revision} {digest}".encode(), ttl_seconds=KEPT_SECONDS)
        self._world.seen["not filled"] += found.token is not None and not filled
        self._has_read(aggregate, begun_at, revision, digest)

    def _has_read(self, aggregate: str, begun_at: float, revision: int, digest: str | None = None) -> None:
        self._gateway.history.reads.append(history.Read(self._name, aggregate, begun_at, revision, digest=digest))

    # Sessions

    async def _change_sessions(self, step: Step) -> None:
        sessions = self._gateway.sessions
        known = sessions.known()
        if step is Step.SIGN_IN or not known:
            secret = Box(key="", box="the password")
            with sessions.beginning() as beginning:
                command = await self._command(SignIn(email=EMAIL, password=secret))
                if command.outcome == SUCCEEDED:
                    assert command.aggregate is not None
                    beginning.completed(command.aggregate)
            return
        session = self._random.choice(known[-RECENT:])
        identity = UUID(session.removeprefix("session/"))
        actor = OWNER.model_copy(update={"session_id": identity})
        match step:
            case Step.SIGN_OUT:
                with sessions.ending(session) as ending:
                    ending.completed(await self._command(SignOut(), actor=actor, ends=(session,)))
            case Step.END_SESSION:
                with sessions.ending(session) as ending:
                    ending.completed(await self._command(EndSession(session_id=identity), ends=(session,)))
            case _:
                with sessions.ending_all() as ending:
                    ending.completed(await self._command(SignOutEverywhere(), actor=actor, ends=tuple(known)))
        if self._random.random() < LOOKS_AFTER:
            await asyncio.gather(*map(self._use, known[-RECENT:]))

    async def _use_one(self) -> None:
        # One that lives, or that has not been over for long: all others tell nothing new.
        known = self._gateway.sessions.known()[-RECENT:]
        if known:
            await self._use(self._random.choice(known))

    async def _use(self, session: str) -> None:
        begun_at = self._world.now()
        [found] = await self._gateway.cache.read(Entry(session))
        revision = BEGUN
        if isinstance(found, Hit):
            self._world.seen["session from the cache"] += 1
        else:
            query = GetLiveSession(session_id=UUID(session.removeprefix("session/")))
            _, outcome = await self._gateway.ask(query, self._next_id(), 5.0)
            if outcome is None or outcome.status is Status.FAILED:
                return
            if outcome.status is Status.SUCCEEDED:
                await self._gateway.cache.fill(found, b"lives", ttl_seconds=KEPT_SECONDS)
            else:
                self._world.seen["session over"] += 1
                revision = ABSENT
        may_be_gone = self._gateway.sessions.may_have_ended(session)
        self._gateway.history.reads.append(
            history.Read(self._name, session, begun_at, revision, may_be_gone=may_be_gone)
        )

    # Both

    async def _look(self, times: int, once: Any) -> None:
        pause = FIRST_LOOK_SECONDS
        for _ in range(times):
            await once()
            await asyncio.sleep(self._random.uniform(0, pause))
            pause *= LATER

    async def _command(
        self,
        request: Request[Any],
        *,
        aggregate: str | None = None,
        digest: str | None = None,
        actor: Actor = OWNER,
        ends: tuple[str, ...] = (),
    ) -> history.Command:
        message_id, begun_at = self._next_id(), self._world.now()
        accepted, outcome = False, None
        while outcome is None and self._world.now() < begun_at + GIVE_UP_SECONDS:
            patience = self._random.uniform(*PATIENCE_SECONDS)
            confirmed, told = await self._gateway.ask(request, message_id, patience, actor)
            accepted |= confirmed
            if told is not None and told.status is not Status.FAILED:
                outcome = told
            elif accepted and self._random.random() < LEAVES:
                break  # told that it will be carried out, and content with that
            else:
                await asyncio.sleep(self._random.uniform(*AGAIN_SECONDS))
        command = _written_down(request, message_id, outcome)
        self._world.seen["refused"] += command.outcome not in (SUCCEEDED, UNKNOWN)
        is_transient = request.kind is Kind.TRANSIENT
        command = replace(
            command,
            client=self._name,
            aggregate=command.aggregate or aggregate,
            begun_at=begun_at,
            ended_at=self._world.now(),
            accepted=accepted and not is_transient,
            digest=digest,
            # A refusal says so as well: there is no such session that lives.
            ends=ends if command.outcome in (SUCCEEDED, SessionNotFound.code) else (),
            is_transient=is_transient,
        )
        self._gateway.history.commands.append(command)
        return command

    def _next_id(self) -> UUID:
        self._count += 1
        return uuid5(SPACE, f"{self._name} {self._count}")


def _written_down(request: Request[Any], message_id: UUID, outcome: Outcome | None) -> history.Command:
    """What *outcome* says."""
    expected = getattr(request, "expected_revision", None)
    command = history.Command(
        message_id, "", None, 0.0, 0.0, accepted=False, outcome=UNKNOWN, expected=expected
    )  # fmt: skip
    if outcome is None:
        return command
    if outcome.status is not Status.SUCCEEDED:
        assert outcome.problem is not None
        problem = outcome.problem
        return replace(command, outcome=problem.code, revision=problem.extra.get("current_revision"))
    reply = outcome.parsed() or {}
    if isinstance(request, SignIn):
        return replace(command, outcome=SUCCEEDED, aggregate=f"session/{reply['session_id']}", revision=BEGUN)
    aggregate = f"diagram/{reply['id']}" if "id" in reply else None
    return replace(command, outcome=SUCCEEDED, aggregate=aggregate, revision=reply.get("revision"))
