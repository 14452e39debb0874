"""The edge on a real HTTP server, with the workers' side of the bus in the test's hands and Redis away."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.public import PrivateKey

from chassis.bus.ports import NotPublished
from chassis.bus.replies import read_reply, reply_message
from chassis.bus.requester import ReplyTimeout
from chassis.exposition import Registry
from chassis.health import Health
from chassis.metrics import GatewayMetrics
from chassis.redis import Redis
from chassis.sealing import unseal
from contracts.auth.keys import GetPublicKeys, PublicKey, PublicKeys
from contracts.auth.sessions import (
    TOKEN_ALGORITHM,
    TOKEN_AUDIENCE,
    TOKEN_ISSUER,
    TOKEN_TYPE,
    GetLiveSession,
    LiveSession,
    SessionEndedAlready,
)
from contracts.catalogue import BY_WIRE_NAME
from contracts.diagram.diagrams import Diagram, DiagramSummary
from contracts.envelope import Envelope, decode, encode
from contracts.message import Reply, Request
from contracts.outcome import Outcome
from contracts.refusal import Refusal
from gateway.assembly import Gateway, assemble
from gateway.ports import Seal
from gateway.server import HttpServer
from gateway.settings import GatewaySettings

Handler = Callable[[Any, Envelope], Awaitable[Reply | Outcome | None]]

# The same in each process of a test.
SIGNING, SEALING = Ed25519PrivateKey.from_private_bytes(b"signing" + b"." * 25), PrivateKey(b"sealing" + b"." * 25)
NOBODY_LISTENS = "redis://127.0.0.1:1/0"
USER = UUID("0199b2a0-0000-7000-8000-000000000001")
SESSION = UUID("0199b2a0-0000-7000-8000-000000000002")
DIAGRAM = UUID("0199b2a0-0000-7000-8000-000000000003")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

SUMMARY = DiagramSummary(
    id=DIAGRAM, title="Plan", type="canvas", owner_id=USER, team_id=None, folder_id=None, tags=(), version=1,
    revision=3, size_bytes=2, starred=False, permission="owner", created_at=LONG_AGO, updated_at=LONG_AGO,
    updated_by=USER, last_viewed_at=None, view_count=0, comment_count=0, export_count=0, collaborator_count=0,
    deleted_at=None, thumbnail_url=None,
)  # fmt: skip
WHOLE = Diagram(**SUMMARY.model_dump(), canvas_data={"elements": []}, note_content=None)


class InProcessBus:
    """What was sent, in the order in which it was, and an answer for each.

    Everything goes through the wire's form both ways. tests/integration/gateway holds it to what the real one does.
    """

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self.sent: list[tuple[Any, Envelope]] = []  # as a worker gets them, secrets opened
        self.bodies: list[bytes] = []
        self.handlers: dict[type[Request[Any]], Handler] = {}
        self.away = False
        self.full: Exception | None = None  # what the broker says instead of a confirm
        self.confirms = True
        self.answers = True

    async def request(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> Outcome:
        message, received = await self._deliver(request, envelope)
        handler = self.handlers.get(type(request))
        if handler is None or not self.answers:
            raise ReplyTimeout(confirmed=self.confirms)
        try:
            async with asyncio.timeout(timeout_seconds):
                outcome = await self._outcome(handler, message, received)
        except TimeoutError:
            raise ReplyTimeout(confirmed=self.confirms) from None
        outgoing = reply_message(
            request.worker(), received, outcome, reply_to="here", correlation_id=None, now=datetime.now(UTC)
        )
        answered, told = read_reply(outgoing.body)
        assert answered == envelope.id
        return told

    async def submit(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> None:  # noqa: ARG002 - the seam's
        await self._deliver(request, envelope)
        if not self.confirms:
            raise ReplyTimeout(confirmed=False)

    async def _deliver(self, request: Request[Any], envelope: Envelope) -> tuple[Any, Envelope]:
        sealed = await self._seal(request, envelope)
        if self.away:
            raise NotPublished("no connection to the broker")
        if self.full is not None:
            raise self.full
        body = encode(envelope, sealed)
        received, data = decode(body, opaque="canvas_data")
        message = unseal(BY_WIRE_NAME[received.type].model_validate(data), received.id, {"box": bytes(SEALING)})
        if not isinstance(message, GetPublicKeys):
            self.sent.append((message, received))
            self.bodies.append(body)
        return message, received

    @staticmethod
    async def _outcome(handler: Handler, message: Any, envelope: Envelope) -> Outcome:
        try:
            answer = await handler(message, envelope)
        except Refusal as refusal:
            return Outcome.refused(refusal)
        return answer if isinstance(answer, Outcome) else Outcome.succeeded(answer)


@dataclass
class Scene:
    gateway: Gateway
    bus: InProcessBus
    listening: HttpServer
    http: aiohttp.ClientSession
    registry: Registry
    health: Health
    sessions: dict[UUID, LiveSession] = field(default_factory=dict)

    def on(self, request: type[Request[Any]], answer: Reply | Outcome | Refusal | None) -> None:
        async def handler(_message: Any, _envelope: Envelope) -> Reply | Outcome | None:
            if isinstance(answer, Refusal):
                raise answer
            return answer

        self.bus.handlers[request] = handler

    def sent(self) -> list[Any]:
        """The messages, without those by which the edge informs itself."""
        return [message for message, _ in self.bus.sent if not isinstance(message, GetLiveSession)]

    def envelopes(self) -> list[Envelope]:
        return [envelope for message, envelope in self.bus.sent if not isinstance(message, GetLiveSession)]

    def counted(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def problem(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
        async with self.http.request(method, path, **request) as answer:
            assert answer.content_type == "application/problem+json", await answer.text()
            document = await answer.json(content_type=None)
            assert document["status"] == answer.status
            return answer.status, document


def access_token(
    *,
    key: Any = SIGNING,
    algorithm: str = TOKEN_ALGORITHM,
    headers: dict[str, Any] | None = None,
    without: str | None = None,
    **changes: Any,
) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": TOKEN_ISSUER, "aud": TOKEN_AUDIENCE, "sub": str(USER), "sid": str(SESSION), "roles": ["user"],
        "iat": now, "exp": now + 3600,
    } | changes  # fmt: skip
    if without:
        del claims[without]
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "sig", "typ": TOKEN_TYPE} | (headers or {}))


def signed_in(**more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token()}", **more}


def as_json(**more: str) -> dict[str, str]:
    return signed_in(**{"Content-Type": "application/json"} | more)


def settings(**changes: Any) -> GatewaySettings:
    values: dict[str, Any] = {
        "redis_url": NOBODY_LISTENS,
        "rabbitmq_url": "amqp://127.0.0.1:1",
        "gateway_secret": "gateway secret of this test, long enough",
        "rate_limit_per_user": 0,
        "rate_limit_per_address": 0,
        "password_requests_per_address": 0,
        "registrations_in_all": 0,
    }
    return GatewaySettings(_env_file=None, **values | changes)


def _public(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


_VERIFYING = _public(SIGNING.public_key().public_bytes_raw())
_SEAL_TO = _public(bytes(SEALING.public_key))
PUBLIC_KEYS = PublicKeys(
    keys=(
        PublicKey(id="sig", purpose="signing", key=_VERIFYING, active_from=LONG_AGO),
        PublicKey(id="box", purpose="sealing", key=_SEAL_TO, active_from=LONG_AGO),
    )
)


@asynccontextmanager
async def open_scene(**changes: Any) -> AsyncIterator[Scene]:
    """*changes* are settings. USER is signed in, in SESSION."""
    registry, health = Registry(), Health("test")
    redis = Redis(NOBODY_LISTENS)
    buses: list[InProcessBus] = []

    def bus(seal: Seal) -> InProcessBus:
        buses.append(InProcessBus(seal))
        return buses[0]

    told = settings(**changes)
    gateway = assemble(told, metrics=GatewayMetrics(registry), registry=registry, health=health, redis=redis, bus=bus)
    listening = HttpServer(gateway.app, drain_seconds=5, idle_seconds=told.idle_connection_seconds)
    try:
        await listening.start("127.0.0.1", 0)
        async with aiohttp.ClientSession(listening.urls[0]) as http:
            scene = Scene(gateway, buses[0], listening, http, registry, health)
            answer_for_auth(scene)
            yield scene
    finally:
        await listening.close()
        await redis.close()


def answer_for_auth(scene: Scene) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    scene.sessions[SESSION] = LiveSession(session_id=SESSION, user_id=USER, roles=("user",), expires_at=expires_at)

    async def live_session(query: GetLiveSession, _envelope: Envelope) -> LiveSession:
        if query.session_id not in scene.sessions:
            raise SessionEndedAlready
        return scene.sessions[query.session_id]

    scene.on(GetPublicKeys, PUBLIC_KEYS)
    scene.bus.handlers[GetLiveSession] = live_session
