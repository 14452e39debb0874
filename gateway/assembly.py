"""Builds the gateway from Redis and a bus, without the process around it (tests use it too)."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from chassis.cache import CacheReader
from chassis.health import Health
from chassis.inflight import InFlight
from chassis.limits import RateLimits
from chassis.redis import Redis
from contracts.auth.keys import GetPublicKeys, PublicKeys
from contracts.catalogue import REQUESTS
from gateway.admission import Admission
from gateway.breaker import Breaker
from gateway.command_client import GATEWAY, CommandClient, breaker_name, envelope_of
from gateway.edge import Edge
from gateway.idempotency import Signer
from gateway.metrics import GatewayMetrics
from gateway.origin import OwnOrigin
from gateway.own_page import OwnPage
from gateway.page import Page
from gateway.passwords import PasswordLimits
from gateway.ports import Bus, Seal
from gateway.request_handler import RequestHandler
from gateway.responses import reply_json
from gateway.routes import application
from gateway.settings import GatewaySettings
from gateway.status import Queues, StatusReport
from gateway.tokens import AccessTokenVerifier, PublicKeyCache

# The worker that invalidates entries of each kind, whose processes hold the leases.
CACHE_OWNERS = {request.cached.kind: request.worker() for request in REQUESTS if request.cached is not None}


@dataclass(frozen=True, slots=True)
class Gateway:
    app: web.Application
    edge: Edge
    keys: PublicKeyCache
    tokens: AccessTokenVerifier
    signer: Signer
    cache: CacheReader
    breakers: dict[str, Breaker]


def assemble(
    settings: GatewaySettings,
    *,
    metrics: GatewayMetrics,
    registry: CollectorRegistry,
    health: Health,
    redis: Redis,
    bus: Callable[[Seal], Bus],
    queues: Queues | None = None,
) -> Gateway:
    """*bus* builds the bus from the function that seals secrets, which fetches its keys over the same bus.

    *queues* tells the states of queues, for administrators.
    """
    parts = {breaker_name(request) for request in REQUESTS if not request.operator_only}
    breakers = {part: Breaker(part, metrics) for part in sorted(parts)}

    async def public_keys() -> PublicKeys:
        query = GetPublicKeys()
        outcome = await commands.call(query, envelope_of(query, GATEWAY, correlation_id=str(uuid7())))
        return PublicKeys.model_validate_json(reply_json(outcome))

    keys = PublicKeyCache(public_keys)
    tokens = AccessTokenVerifier(keys)
    commands = CommandClient(bus(keys.seal), breakers)
    cache = CacheReader(redis, CACHE_OWNERS)
    in_flight = InFlight(redis)
    limits = RateLimits(redis)
    signer = Signer(settings.gateway_secret.get_secret_value())
    origin = OwnOrigin(settings)
    own_page = OwnPage(origin)
    admission = Admission(
        settings,
        own_page=own_page,
        redis=redis,
        cache=cache,
        limits=limits,
        in_flight=in_flight,
        tokens=tokens,
        signer=signer,
        metrics=metrics,
    )
    passwords = PasswordLimits(settings, admission=admission, limits=limits, signer=signer, metrics=metrics)
    request_handler = RequestHandler(
        admission=admission, passwords=passwords, commands=commands, cache=cache, in_flight=in_flight, signer=signer
    )
    edge = Edge(settings, metrics, network_of=admission.network)
    status = StatusReport(redis, health, queues)
    app = application(
        settings,
        edge,
        request_handler,
        keys,
        status,
        own_page=own_page,
        page=Page(origin),
        registry=registry,
        health=health,
    )
    return Gateway(app, edge, keys, tokens, signer, cache, breakers)
