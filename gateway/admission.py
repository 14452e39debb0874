"""Admission: authentication, rate limits, idempotency mark and cache look-up, in one round trip to Redis."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from aiohttp import web

from chassis.cache import CacheReader, Entry, Hit, Miss
from chassis.inflight import InFlight
from chassis.limits import Charge, QuotaUsage, RateLimitDecision, RateLimitPolicy, RateLimits
from chassis.networks import network
from chassis.redis import CallWithFallback, Redis
from contracts.envelope import Actor, ActorKind
from gateway.forwarded import ForwardedClients
from gateway.idempotency import Signer
from gateway.metrics import GatewayMetrics
from gateway.own_page import OwnPage
from gateway.problems import HttpProblem
from gateway.request_slots import SLOT
from gateway.sessions import Caller, authenticate, bearer, session_entry
from gateway.settings import GatewaySettings
from gateway.tokens import AccessTokenVerifier

# A page with several tabs reads more than it writes: a list, a diagram, and what has changed since.
READS_PER_WRITE = 6
# The rate limits' decision, for the headers of the response.
RATE_LIMIT = web.RequestKey("verdict", RateLimitDecision)
# The caller, for the request log.
ACTOR = web.RequestKey("actor", Actor)


class Credentials(Enum):
    REQUIRED = "needed"
    OPTIONAL = "taken"  # used if the request has any
    IGNORED = "ignored"  # clients also send expired tokens when they fetch new ones


@dataclass(frozen=True, slots=True)
class InFlightMark:
    """Marks an idempotency key as in flight; renewed while its request runs."""

    key: str
    owner: str
    ttl_seconds: float


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    caller: Caller
    session: Hit | Miss | None  # None: the caller is anonymous
    found: Hit | Miss | None  # of the cached read; None if none was looked up
    marked: bool


class Admission:
    def __init__(
        self,
        settings: GatewaySettings,
        *,
        redis: Redis,
        cache: CacheReader,
        limits: RateLimits,
        in_flight: InFlight,
        tokens: AccessTokenVerifier,
        signer: Signer,
        metrics: GatewayMetrics,
        own_page: OwnPage,
    ) -> None:
        self._own_page = own_page
        self._redis = redis
        self._cache = cache
        self._limits = limits
        self._in_flight = in_flight
        self._tokens = tokens
        self._signer = signer
        self._metrics = metrics
        self._clients = ForwardedClients(settings.trusted_proxies, settings.forwarded_header, metrics)
        self._per_user = RateLimitPolicy("user", settings.rate_limit_per_user, 60)
        reads = settings.rate_limit_reads_per_user
        if reads is None:
            reads = READS_PER_WRITE * settings.rate_limit_per_user
        self._reads_per_user = RateLimitPolicy("user-reads", reads, 60)
        self._per_address = RateLimitPolicy("address", settings.rate_limit_per_address, 60)

    async def identify(self, http: web.Request, credentials: Credentials) -> Caller:
        """Raises ``HttpProblem`` (401, 403), after the refused request was counted against the address's limit."""
        token = None
        try:
            if credentials is not Credentials.IGNORED:
                token = bearer(http.headers.get("Authorization")) or self._own_page.access_token(http)
            if token is not None:
                caller = await authenticate(token, self._tokens)
                http[ACTOR] = caller.actor
                return caller
            if credentials is Credentials.REQUIRED:
                raise HttpProblem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})  # noqa: TRY301 - counted below
        except HttpProblem:
            http[ACTOR] = self._anonymous(http)
            self.enforce(http, await self._limits.count(self._address_charge(http)))
            raise
        http[ACTOR] = anonymous = self._anonymous(http)
        return Caller(anonymous, None)

    async def admit(
        self, http: web.Request, caller: Caller, *, wanted: Entry | None = None, mark: InFlightMark | None = None
    ) -> AdmittedRequest:
        """Raises ``HttpProblem`` (429). The caller of this method must release *mark* if it was set."""
        claims = caller.claims
        charges = [self._address_charge(http)]
        entries = []
        if claims is not None:
            policy = self._reads_per_user if http.method in ("GET", "HEAD") else self._per_user
            charges.insert(0, Charge(policy, claims.subject))
            entries.append(session_entry(claims))
        if wanted is not None:
            entries.append(wanted)
        counting = self._limits.counting(*charges)
        looking: CallWithFallback[list[Hit | Miss]] | None = self._cache.look_up(*entries) if entries else None
        acquiring = None
        if mark is not None:
            acquiring = self._in_flight.acquiring(mark.key, mark.owner, ttl_seconds=mark.ttl_seconds)
        found: list[Hit | Miss] = []
        marked = False
        if looking is not None and acquiring is not None:
            found, decision, marked = await self._redis.run_or_fall_back(looking, counting, acquiring)
        elif looking is not None:
            found, decision = await self._redis.run_or_fall_back(looking, counting)
        elif acquiring is not None:
            decision, marked = await self._redis.run_or_fall_back(counting, acquiring)
        else:
            (decision,) = await self._redis.run_or_fall_back(counting)
        try:
            self.enforce(http, decision)
        except HttpProblem:
            if mark is not None and marked:
                await self._in_flight.release(mark.key, mark.owner)
            raise
        return AdmittedRequest(
            caller,
            session=found[0] if claims is not None else None,
            found=found[-1] if wanted is not None else None,
            marked=marked,
        )

    def drop_keys(self, key_ids: Iterable[str]) -> None:
        """Forget withdrawn signing keys now instead of at the next refresh."""
        self._tokens.drop_keys(key_ids)

    def address(self, http: web.Request) -> str:
        """The client's address."""
        return self._clients.address(http)

    def network(self, http: web.Request) -> str:
        """What the limits count: the client's IPv4 address, or its IPv6 network."""
        return network(self.address(http))

    def _anonymous(self, http: web.Request) -> Actor:
        return Actor(kind=ActorKind.ANONYMOUS, id=self._signer.anonymous_id(self.address(http)))

    def _address_charge(self, http: web.Request) -> Charge:
        return Charge(self._per_address, http[SLOT].network)

    def enforce(self, http: web.Request, decision: RateLimitDecision) -> None:
        """Raises ``HttpProblem`` (429) if *verdict* refuses."""
        http[RATE_LIMIT] = decision
        refused_by = decision.refused_by
        if refused_by is None:
            return
        self._metrics.rate_limited.labels(refused_by.policy.name).inc()
        raise HttpProblem(
            "rate_limited",
            _explain(refused_by),
            headers={"Retry-After": str(decision.retry_after_seconds)},
            extra={"policy": refused_by.policy.name},
        )


def _explain(refused_by: QuotaUsage) -> str:
    policy = refused_by.policy
    again = f"try again in {refused_by.reset_seconds} s"
    if policy.name.startswith("sign-in"):
        return f"Too many failed sign-ins: {again}"
    if policy.name.startswith("passwords"):
        return f"Too many sign-ins and registrations: {again}"
    if policy.name == "registrations":
        return f"Too many registrations: {again}"
    if policy.name == "user-reads":
        return f"Too many reads: {policy.quota} in {policy.window_seconds} s for each user"
    return f"Too many requests: {policy.quota} in {policy.window_seconds} s for each {policy.name}"
