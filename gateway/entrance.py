"""Who comes in: identity, limits and what the cache already knows, in one trip to Redis."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address

from aiohttp import web

from chassis.cache import CacheReader, Entry, Hit, Miss
from chassis.inflight import InFlight
from chassis.limits import Charge, Policy, RateLimits, Verdict
from chassis.metrics import GatewayMetrics
from chassis.redis import Ask, Redis
from contracts.envelope import Actor, ActorKind
from gateway.idempotency import Signer
from gateway.problems import Problem
from gateway.sessions import Caller, caller_of, entry_of, known_live
from gateway.settings import GatewaySettings
from gateway.tokens import Tokens

# What the limits say, for the headers of whatever is answered.
VERDICT = web.RequestKey("verdict", Verdict)


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

    @property
    def session_known(self) -> bool:
        claims = self.caller.claims
        return claims is None or (self.session is not None and known_live(self.session, claims))


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
        self._proxies = settings.trusted_proxies
        self._per_user = Policy("user", settings.rate_limit_per_user, 60)
        self._per_address = Policy("address", settings.rate_limit_per_address, 60)
        self._attempts = Policy("sign-in", settings.sign_in_attempts, settings.sign_in_window_seconds)

    async def identify(self, http: web.Request, *, public: bool) -> Caller:
        """Raises ``Problem`` (401); whoever is refused is counted too."""
        address = self.address(http)
        try:
            caller = await caller_of(
                http.headers.get("Authorization"),
                self._tokens,
                lambda: Actor(kind=ActorKind.ANONYMOUS, id=self._signer.anonymous_id(address)),
            )
            if caller.claims is None and not public:
                raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})  # noqa: TRY301 - counted below
        except Problem:
            self._hold(http, await self._limits.count(Charge(self._per_address, address)))
            raise
        return caller

    async def admit(
        self, http: web.Request, caller: Caller, *, wanted: Entry | None = None, claim: Claim | None = None
    ) -> Admission:
        """Raises ``Problem`` (429). A claim that was taken is the caller's to release."""
        claims = caller.claims
        charges = [Charge(self._per_address, self.address(http))]
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
            self._hold(http, verdict)
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

    async def count_attempt(self, http: web.Request, account: str) -> Callable[[], Awaitable[None]]:
        """Counts a try at *account* from the caller's address; what is returned takes it back, after a success.

        Counted first, since many guesses at once would all find the quota unspent. Raises ``Problem`` (429).
        """
        charge = Charge(self._attempts, self._signer.subject(account.casefold(), self.address(http)))
        self._hold(http, await self._limits.count(charge))
        return lambda: self._limits.forget(charge)

    def address(self, http: web.Request) -> str:
        """The client's: of X-Forwarded-For only what proxies of ours have written."""
        peer = http.remote or "unknown"
        if not self._proxies:
            return peer
        forwarded = [part.strip() for part in http.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        hops = [*forwarded, peer]
        candidate = hops[max(0, len(hops) - 1 - self._proxies)]
        try:
            return str(ip_address(candidate))
        except ValueError:
            return peer

    def _hold(self, http: web.Request, verdict: Verdict) -> None:
        http[VERDICT] = verdict
        refused_by = verdict.refused_by
        if refused_by is None:
            return
        self._metrics.rate_limited.labels(refused_by.policy.name).inc()
        raise Problem(
            "rate_limited",
            f"{refused_by.policy.quota} in {refused_by.policy.window_seconds} s for each {refused_by.policy.name}",
            headers={"Retry-After": str(verdict.retry_after_seconds)},
            extra={"policy": refused_by.policy.name},
        )
