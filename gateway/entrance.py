"""Who comes in: identity, limits and what the cache already knows, in one trip to Redis."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from chassis.cache import CacheReader, Entry, Hit, Miss
from chassis.inflight import InFlight
from chassis.limits import Charge, Policy, RateLimits, Standing, Verdict
from chassis.metrics import GatewayMetrics
from chassis.networks import network
from chassis.redis import Ask, Redis
from contracts.envelope import Actor, ActorKind
from gateway.forwarded import ForwardedClients
from gateway.idempotency import Signer
from gateway.problems import Problem
from gateway.sessions import Caller, bearer, caller_of, entry_of
from gateway.settings import GatewaySettings
from gateway.tokens import Tokens

# What the limits say, for the headers of whatever is answered.
VERDICT = web.RequestKey("verdict", Verdict)
# Who called, for the log of what is refused.
ACTOR = web.RequestKey("actor", Actor)


class Credentials(Enum):
    NEEDED = "needed"
    TAKEN = "taken"  # where there are any
    IGNORED = "ignored"  # clients send tokens along that have expired, also when they fetch new ones


@dataclass(frozen=True, slots=True)
class Claim:
    """An idempotency key's mark, to be held while its request runs."""

    key: str
    owner: str
    stay_seconds: float


@dataclass(frozen=True, slots=True)
class Admission:
    caller: Caller
    session: Hit | Miss | None  # None: nobody signed in
    found: Hit | Miss | None  # of the cached read, if one was asked for
    claimed: bool


class Entrance:
    def __init__(
        self,
        settings: GatewaySettings,
        *,
        redis: Redis,
        cache: CacheReader,
        limits: RateLimits,
        in_flight: InFlight,
        tokens: Tokens,
        signer: Signer,
        metrics: GatewayMetrics,
    ) -> None:
        self._redis = redis
        self._cache = cache
        self._limits = limits
        self._in_flight = in_flight
        self._tokens = tokens
        self._signer = signer
        self._metrics = metrics
        self._clients = ForwardedClients(settings.trusted_proxies, settings.forwarded_header, metrics)
        self._per_user = Policy("user", settings.rate_limit_per_user, 60)
        self._per_address = Policy("address", settings.rate_limit_per_address, 60)

    async def identify(self, http: web.Request, credentials: Credentials) -> Caller:
        """Raises ``Problem`` (401); whoever is refused is counted too."""
        token = None
        try:
            if credentials is not Credentials.IGNORED:
                token = bearer(http.headers.get("Authorization"))
            if token is not None:
                caller = await caller_of(token, self._tokens)
                http[ACTOR] = caller.actor
                return caller
            if credentials is Credentials.NEEDED:
                raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})  # noqa: TRY301 - counted below
        except Problem:
            http[ACTOR] = self._anonymous(http)
            self.hold(http, await self._limits.count(self._of_address(http)))
            raise
        http[ACTOR] = anonymous = self._anonymous(http)
        return Caller(anonymous, None)

    async def admit(
        self, http: web.Request, caller: Caller, *, wanted: Entry | None = None, claim: Claim | None = None
    ) -> Admission:
        """Raises ``Problem`` (429). A claim that was taken is the caller's to release."""
        claims = caller.claims
        charges = [self._of_address(http)]
        entries = []
        if claims is not None:
            charges.insert(0, Charge(self._per_user, str(claims.user_id)))
            entries.append(entry_of(claims))
        if wanted is not None:
            entries.append(wanted)
        counting = self._limits.counting(*charges)
        looking: Ask[list[Hit | Miss]] | None = self._cache.look_up(*entries) if entries else None
        claiming = None
        if claim is not None:
            claiming = self._in_flight.claiming(claim.key, claim.owner, stay_seconds=claim.stay_seconds)
        found: list[Hit | Miss] = []
        claimed = False
        if looking is not None and claiming is not None:
            found, verdict, claimed = await self._redis.ask(looking, counting, claiming)
        elif looking is not None:
            found, verdict = await self._redis.ask(looking, counting)
        elif claiming is not None:
            verdict, claimed = await self._redis.ask(counting, claiming)
        else:
            (verdict,) = await self._redis.ask(counting)
        try:
            self.hold(http, verdict)
        except Problem:
            if claim is not None and claimed:
                await self._in_flight.release(claim.key, claim.owner)
            raise
        return Admission(
            caller,
            session=found[0] if claims is not None else None,
            found=found[-1] if wanted is not None else None,
            claimed=claimed,
        )

    def drop_keys(self, key_ids: Iterable[str]) -> None:
        """Signing keys that were withdrawn: without waiting until the keys are asked for again."""
        self._tokens.drop_keys(key_ids)

    def address(self, http: web.Request) -> str:
        """The client's."""
        return self._clients.address(http)

    def network(self, http: web.Request) -> str:
        """What is limited together: the client's address, or its network."""
        return network(self.address(http))

    def _anonymous(self, http: web.Request) -> Actor:
        return Actor(kind=ActorKind.ANONYMOUS, id=self._signer.anonymous_id(self.address(http)))

    def _of_address(self, http: web.Request) -> Charge:
        return Charge(self._per_address, self.network(http))

    def hold(self, http: web.Request, verdict: Verdict) -> None:
        """Raises ``Problem`` (429) if *verdict* refuses."""
        http[VERDICT] = verdict
        refused_by = verdict.refused_by
        if refused_by is None:
            return
        self._metrics.rate_limited.labels(refused_by.policy.name).inc()
        raise Problem(
            "rate_limited",
            _explain(refused_by),
            headers={"Retry-After": str(verdict.retry_after_seconds)},
            extra={"policy": refused_by.policy.name},
        )


def _explain(refused_by: Standing) -> str:
    policy = refused_by.policy
    again = f"try again in {refused_by.reset_seconds} s"
    if policy.name.startswith("sign-in"):
        return f"Too many failed sign-ins: {again}"
    if policy.name.startswith("passwords"):
        return f"Too many sign-ins and registrations: {again}"
    if policy.name == "registrations":
        return f"Too many registrations: {again}"
    return f"Too many requests: {policy.quota} in {policy.window_seconds} s for each {policy.name}"
