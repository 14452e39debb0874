"""What is let through to the password workers: sign-ins and registrations, each of which costs 0.3 s of a core.

Two things are limited. **Work**: how much password work one network asks for, and how much is in flight; beyond, a
request is refused at once, so that no queue of such work builds up. **Guesses**: failed sign-ins are counted for the
account from one network, for the network and those around it, and for the account over all networks. All but the first
hold only for networks from which the account has not signed in before: a known device is never locked out by others.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from chassis.limits import Charge, RateLimitPolicy, RateLimits
from chassis.metrics import GatewayMetrics
from chassis.networks import network, wider_networks
from contracts.auth import RegisterUser, SignIn, email_key
from contracts.message import Request
from contracts.outcome import Outcome, Status
from gateway.admitted import RATE_LIMIT, Admission
from gateway.idempotency import Signer
from gateway.problems import HttpProblem
from gateway.settings import GatewaySettings

MINUTE_SECONDS = 60
# A request that took longer has waited for others: the workers are slower than so many in flight suppose.
SLOW_SECONDS = 2.0
MIN_SLOTS = 4
NETWORK_SHARE = (
    4  # one network has one in so many of the places: with half, people waited 4 s behind one address (2026-11)
)
BACKOFF_FACTOR = 0.7  # of the places are left, at most once in SLOW_SECONDS

# Whether an account has signed in from a network before (email, network).
IsKnown = Callable[[str, str], Awaitable[bool]]


def is_password_work(request: Request[Any]) -> bool:
    return isinstance(request, SignIn | RegisterUser)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that was counted as if it had failed, until it is judged."""

    pair_charge: Charge
    other_charges: tuple[Charge, ...]


class PasswordLimits:
    def __init__(
        self,
        settings: GatewaySettings,
        *,
        admission: Admission,
        limits: RateLimits,
        signer: Signer,
        metrics: GatewayMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admission = admission
        self._limits = limits
        self._signer = signer
        self._refused = metrics.rate_limited
        self._clock = clock
        self._max_slots = settings.max_password_requests
        self._slots = float(self._max_slots)
        self._backed_off_at = float("-inf")
        self._in_flight: Counter[str] = Counter()  # by network
        self._registrations_in_flight = 0
        self._per_address = RateLimitPolicy("passwords", settings.password_requests_per_address, MINUTE_SECONDS)
        self._per_wide_network = RateLimitPolicy(
            "passwords-network", 4 * settings.password_requests_per_address, MINUTE_SECONDS
        )
        self._registrations = RateLimitPolicy("registrations", settings.registrations_in_all, MINUTE_SECONDS)
        window = settings.sign_in_window_seconds
        self._pair_policy = RateLimitPolicy("sign-in", settings.sign_in_attempts, window)
        self._network_policy = RateLimitPolicy("sign-in-address", settings.sign_in_failures_per_address, window)
        self._wider_policies = (
            RateLimitPolicy("sign-in-56", settings.sign_in_failures_per_56, window),
            RateLimitPolicy("sign-in-48", settings.sign_in_failures_per_48, window),
        )
        self._account_policy = RateLimitPolicy(
            "sign-in-account", settings.sign_in_failures_per_account, settings.sign_in_account_window_seconds
        )

    # Work

    async def count(self, http: web.Request, request: Request[Any]) -> None:
        """Raises ``HttpProblem`` (429)."""
        address = self._admission.address(http)
        # What a provider gives to one customer is one client here: it has thousands of /64.
        customer, *around = wider_networks(address) or (network(address),)
        charges = [Charge(self._per_address, customer), *(Charge(self._per_wide_network, wide) for wide in around)]
        if isinstance(request, RegisterUser):
            charges.append(Charge(self._registrations, "all"))
        await self._enforce(http, *charges)

    @contextmanager
    def slot(self, http: web.Request, request: Request[Any]) -> Iterator[None]:
        """One of the places for password work in flight. Raises ``HttpProblem`` (429, 503) instead of waiting for one.

        One network may have a quarter of them, registrations half. There are fewer while answers are slow (additive
        increase, multiplicative decrease), so that who is let in is answered in time however slow the machine is.
        """
        address = self._admission.address(http)
        client = next(iter(wider_networks(address)), network(address))
        registers = isinstance(request, RegisterUser)
        slots = int(self._slots)
        if self._in_flight[client] >= slots // NETWORK_SHARE:
            self._refused.labels("passwords-at-once").inc()
            raise HttpProblem(
                "rate_limited",
                "Too many concurrent sign-ins and registrations from this address",
                headers={"Retry-After": "1"},
                extra={"policy": "passwords-at-once"},
            )
        if self._in_flight.total() >= slots or (registers and self._registrations_in_flight >= slots // 2):
            self._refused.labels("passwords-in-all").inc()
            raise HttpProblem(
                "unavailable", "Too many concurrent sign-ins and registrations", headers={"Retry-After": "2"}
            )
        self._in_flight[client] += 1
        self._registrations_in_flight += registers
        began_at = self._clock()
        answered = False
        try:
            yield
            answered = True
        except HttpProblem as problem:
            answered = problem.status < 500  # noqa: PLR2004 - a refusal is an answer
            raise
        finally:
            if not registers:  # which may not have waited for theirs
                self._adapt(self._clock() - began_at, answered=answered)
            self._registrations_in_flight -= registers
            self._in_flight[client] -= 1
            if not self._in_flight[client]:
                del self._in_flight[client]

    def _adapt(self, seconds: float, *, answered: bool) -> None:
        if seconds < SLOW_SECONDS:
            if answered:
                self._slots = min(self._max_slots, self._slots + 1 / self._slots)
        elif self._clock() - self._backed_off_at >= SLOW_SECONDS:  # those that were let in together are slow together
            self._slots = max(MIN_SLOTS, self._slots * BACKOFF_FACTOR)
            self._backed_off_at = self._clock()

    # Guesses

    async def count_attempt(self, http: web.Request, email: str, is_known: IsKnown) -> Attempt:
        """Counts a sign-in as failed, for ``judge_attempt``. Raises ``HttpProblem`` (429).

        Counted first, since many guesses at once would all find the quota unspent.
        """
        address = self._admission.address(http)
        account = email_key(email)
        pair_charge = Charge(self._pair_policy, self._signer.subject(account, network(address)))
        other_charges = (
            Charge(self._network_policy, network(address)),
            *(Charge(*of) for of in zip(self._wider_policies, wider_networks(address), strict=False)),
            Charge(self._account_policy, self._signer.subject(account, "")),
        )
        verdict = await self._limits.count(pair_charge, *other_charges)
        refused_by = verdict.refused_by
        if refused_by is None:
            return Attempt(pair_charge, other_charges)
        if refused_by.policy is not self._pair_policy and await is_known(email, network(address)):
            await self._enforce(http, pair_charge)
            return Attempt(pair_charge, ())
        self._admission.enforce(http, verdict)
        raise AssertionError("a verdict that refuses was let through")

    async def judge_attempt(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """A success clears the account for its network, a refusal stays counted, and what was not judged was no try."""
        succeeded = outcome is not None and outcome.status is Status.SUCCEEDED
        if succeeded:
            await self._limits.reset(attempt.pair_charge)
        elif outcome is None or outcome.status is Status.FAILED:
            await self._limits.refund(attempt.pair_charge)
        else:
            return
        for charge in (
            charge for charge in attempt.other_charges if charge.policy.quota
        ):  # of a network, a success takes only itself back: a guesser may have an account
            await self._limits.refund(charge)

    async def _enforce(self, http: web.Request, *charges: Charge) -> None:
        before = http.get(RATE_LIMIT)
        self._admission.enforce(http, await self._limits.count(*charges))
        if before is not None:
            http[RATE_LIMIT] = before  # how many are left is of use to guessers only
