"""The auth service's handlers on a real database; what caches and relay are told is noted."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.metrics import AuthMetrics
from chassis.unit_of_work import Caches, Ledger, OutboxRow
from contracts.auth.accounts import RegisterUser, User
from contracts.auth.sessions import RefreshTokens, SignIn, SignOut, Tokens
from contracts.envelope import Actor, ActorKind, Envelope, decode
from contracts.message import Message, Reply, Request
from contracts.refusal import Refusal
from workers.auth.handlers import handlers
from workers.auth.settings import AuthSettings
from workers.auth.tools import Tools, open_tools

AUTH_SECRET = "auth secret of this test, long enough"
PASSWORD = "correct horse"
ANYBODY = Actor(kind=ActorKind.ANONYMOUS, id=UUID(int=7))

ReplyT = TypeVar("ReplyT", bound="Reply | None")


def settings(**changes: Any) -> AuthSettings:
    values: dict[str, Any] = {
        "redis_url": "redis://127.0.0.1:1/0",
        "rabbitmq_url": "amqp://127.0.0.1:1",
        "postgres_url": "postgresql://127.0.0.1:1",
        "auth_secret": AUTH_SECRET,
        "bcrypt_cost": 4,
    }
    return AuthSettings(_env_file=None, **values | changes)


@dataclass
class NotedCaches:
    invalidated: list[str] = field(default_factory=list)

    async def invalidate(self, names: Sequence[str]) -> None:
        self.invalidated.extend(names)


@dataclass
class NotedRelay:
    rows: list[OutboxRow] = field(default_factory=list)

    def enqueue(self, rows: Sequence[OutboxRow]) -> None:
        self.rows.extend(rows)


@dataclass
class Scene:
    database: Database
    registry: CollectorRegistry
    metrics: AuthMetrics
    caches: NotedCaches
    relay: NotedRelay
    tools: Tools
    now: datetime

    # What a test says

    async def ask(
        self,
        request: Request[ReplyT],
        actor: Actor = ANYBODY,
        *,
        message_id: UUID | None = None,
    ) -> ReplyT:
        """As the bus does, without the bus."""
        reply: ReplyT = await self.handle(request, self.envelope(request, actor, message_id))
        return reply

    async def handle(self, message: Message, envelope: Envelope) -> Any:
        contract, handler = handlers.by_wire_name[message.wire_name]
        assert contract is type(message)
        try:
            return await handler(message, envelope, self.tools)
        except Refusal as refusal:
            if not isinstance(message, Request) or not message.declares(refusal):
                raise AssertionError(f"{contract.__name__} does not declare it") from refusal
            raise

    def envelope(self, message: Message, actor: Actor = ANYBODY, message_id: UUID | None = None) -> Envelope:
        return Envelope(
            id=message_id or uuid7(),
            source="/gateway",
            type=message.wire_name,
            time=self.now,
            correlationid="c-1",
            actor=actor,
        )

    async def register(self, email: str | None = None, password: str = PASSWORD) -> User:
        return await self.ask(
            RegisterUser(email=email or f"{uuid7()}@example.org", password=SecretStr(password), name="Anna")
        )

    async def sign_in(
        self, email: str, password: str = PASSWORD, *, message_id: UUID | None = None, remember_me: bool = False
    ) -> Tokens:
        command = SignIn(
            email=email,
            password=SecretStr(password),
            remember_me=remember_me,
            device="a browser",
            address="192.0.2.7",
        )
        return await self.ask(command, message_id=message_id)

    async def refresh(self, token: str) -> Tokens:
        return await self.ask(RefreshTokens(refresh_token=SecretStr(token)))

    async def sign_out(self, user: User, tokens: Tokens, *, message_id: UUID | None = None) -> None:
        await self.ask(SignOut(), acting_in(user, tokens), message_id=message_id)

    def later(self, by: timedelta) -> None:
        self.now += by

    # What a test sees

    async def fetch(self, sql: str, *arguments: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(record) for record in await connection.fetch(sql, *arguments)]

    async def execute(self, sql: str, *arguments: Any) -> None:
        async with self.database.connection() as connection:
            await connection.execute(sql, *arguments)

    async def traces(self) -> list[tuple[str, int]]:
        """How many rows each table has."""
        tables = ("users", "sessions", "inbox", "outbox")
        return [(table, (await self.fetch(f"SELECT count(*) FROM {table}"))[0]["count"]) for table in tables]

    def announced(self, about: UUID) -> list[tuple[str, int | None, dict[str, Any]]]:
        """Name, sequence and data of the events whose subject has the id *about*."""
        decoded = [decode(row.body) for row in self.relay.rows]
        return [
            (envelope.type.split(".")[2], envelope.sequence, data)
            for envelope, data in decoded
            if envelope.subject is not None and envelope.subject.endswith(f"/{about}")
        ]

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def acting(user: User) -> Actor:
    return Actor(kind=ActorKind.USER, id=user.id, roles=user.roles)


def acting_in(user: User, tokens: Tokens) -> Actor:
    return Actor(kind=ActorKind.USER, id=user.id, roles=user.roles, session_id=tokens.session_id)


@asynccontextmanager
async def open_scene(database: Database, *, invalidating: Caches | None = None, **changes: Any) -> AsyncIterator[Scene]:
    """*changes* are settings; *invalidating*: caches to be used instead of noting what they are told."""
    registry = CollectorRegistry()
    metrics, caches, relay = AuthMetrics(registry), NotedCaches(), NotedRelay()
    # As precise as Postgres, so that times compare equal.
    now = datetime.now(UTC)
    scenes: list[Scene] = []

    def clock() -> datetime:
        return scenes[0].now if scenes else now

    ledger = Ledger(database, "auth", invalidating or caches, relay, clock)
    async with open_tools(settings(**changes), ledger=ledger, database=database, metrics=metrics, clock=clock) as tools:
        scene = Scene(database, registry, metrics, caches, relay, tools, now)
        scenes.append(scene)
        yield scene
