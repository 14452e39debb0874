"""The edge put together on Redis and a bus, without the process around it."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from uuid_utils.compat import uuid7

from chassis.cache import CacheReader
from chassis.exposition import Registry
from chassis.health import Health
from chassis.inflight import InFlight
from chassis.limits import RateLimits
from chassis.metrics import GatewayMetrics
from chassis.redis import Redis
from contracts.auth import GetPublicKeys, PublicKeys
from contracts.catalogue import REQUESTS
from contracts.services import SERVICES
from gateway.answers import Answers
from gateway.asking import GATEWAY, Asking, envelope_of, part_of
from gateway.breaker import Breaker
from gateway.edge import Edge
from gateway.entrance import Entrance
from gateway.idempotency import Signer
from gateway.passwords import PasswordLimits
from gateway.ports import Bus, Seal
from gateway.responses import reply_of
from gateway.routes import application
from gateway.settings import GatewaySettings
from gateway.tokens import Keys, Tokens

# Who invalidates which entries: the schema whose members hold the leases.
CACHE_OWNERS = {kind: service.name for service in SERVICES for kind in service.caches}


@dataclass(frozen=True, slots=True)
class Gateway:
    app: web.Application
    edge: Edge
    keys: Keys
    tokens: Tokens
    signer: Signer
    cache: CacheReader
    breakers: dict[str, Breaker]


def assemble(
    settings: GatewaySettings,
    *,
    metrics: GatewayMetrics,
    registry: Registry,
    health: Health,
    redis: Redis,
    bus: Callable[[Seal], Bus],
) -> Gateway:
    """*bus* makes the bus from what seals secrets, which itself asks over the bus for the keys."""
    parts = {part_of(request) for request in REQUESTS if not request.operator_only}
    breakers = {part: Breaker(part, metrics) for part in sorted(parts)}

    async def public_keys() -> PublicKeys:
        query = GetPublicKeys()
        outcome = await asking.ask(query, envelope_of(query, GATEWAY, correlation_id=str(uuid7())))
        return PublicKeys.model_validate_json(reply_of(outcome))

    keys = Keys(public_keys)
    tokens = Tokens(keys)
    asking = Asking(bus(keys.seal), breakers)
    cache = CacheReader(redis, CACHE_OWNERS)
    in_flight = InFlight(redis)
    limits = RateLimits(redis)
    signer = Signer(settings.gateway_secret.get_secret_value())
    entrance = Entrance(
        settings,
        redis=redis,
        cache=cache,
        limits=limits,
        in_flight=in_flight,
        tokens=tokens,
        signer=signer,
        metrics=metrics,
    )
    passwords = PasswordLimits(settings, entrance=entrance, limits=limits, signer=signer, metrics=metrics)
    answers = Answers(
        entrance=entrance, passwords=passwords, asking=asking, cache=cache, in_flight=in_flight, signer=signer
    )
    edge = Edge(settings, metrics, network_of=entrance.network)
    app = application(settings, edge, answers, keys, registry=registry, health=health)
    return Gateway(app, edge, keys, tokens, signer, cache, breakers)
