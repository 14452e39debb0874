"""Limits sign-ins and registrations, each of which costs the auth workers 0.3 s of a core.

**Work**: the rate of one network, and how many requests are in flight; more are refused at once, so that no queue of
password work builds up. **Guesses**: failed sign-ins are counted per account and network, per network and the wider
networks around it, and per account over all networks. All but the first apply only to networks from which the account
has not signed in before, so that others cannot lock out a known device.
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
from contracts.auth.accounts import RegisterUser, email_key
from contracts.auth.sessions import SignIn
from contracts.message import Request
from contracts.outcome import Outcome, Status
from gateway.admission import RATE_LIMIT, Admission
from gateway.idempotency import Signer
from gateway.problems import HttpProblem
from gateway.settings import GatewaySettings

MINUTE_SECONDS = 60
# A request that took longer has waited in a queue: there are more slots than the workers can serve.
SLOW_SECONDS = 2.0
MIN_SLOTS = 4
NETWORK_SHARE = 4  # one network gets 1/4 of the slots: with half, others waited 4 s behind one address (2026-11)
BACKOFF_FACTOR = 0.7  # applied to the number of slots, at most once in SLOW_SECONDS

# Whether an account has signed in from a network before (email, network).
IsKnown = Callable[[str, str], Awaitable[bool]]


def is_password_work(request: Request[Any]) -> bool:
    return isinstance(request, SignIn | RegisterUser)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in that is counted as failed until its outcome is known."""

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
        # A provider's customer has thousands of /64 networks: count them as one client.
        customer, *around = wider_networks(address) or (network(address),)
        charges = [Charge(self._per_address, customer), *(Charge(self._per_wide_network, wide) for wide in around)]
        if isinstance(request, RegisterUser):
            charges.append(Charge(self._registrations, "all"))
        await self._enforce(http, *charges)

    @contextmanager
    def slot(self, http: web.Request, request: Request[Any]) -> Iterator[None]:
        """Holds one slot for password work. Raises ``HttpProblem`` (429, 503) instead of waiting for one.

        One network may use a quarter of the slots, registrations half. Their number adapts to the workers' speed
        (additive increase, multiplicative decrease), so that admitted requests are answered in time.
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
            if not registers:  # registrations may be refused before they are hashed, which says nothing about the speed
                self._adapt(self._clock() - began_at, answered=answered)
            self._registrations_in_flight -= registers
            self._in_flight[client] -= 1
            if not self._in_flight[client]:
                del self._in_flight[client]

    def _adapt(self, seconds: float, *, answered: bool) -> None:
        if seconds < SLOW_SECONDS:
            if answered:
                self._slots = min(self._max_slots, self._slots + 1 / self._slots)
        elif self._clock() - self._backed_off_at >= SLOW_SECONDS:  # admitted together, slow together
            self._slots = max(MIN_SLOTS, self._slots * BACKOFF_FACTOR)
            self._backed_off_at = self._clock()

    # Guesses

    async def count_attempt(self, http: web.Request, email: str, is_known: IsKnown) -> Attempt:
        """Counts a sign-in as failed, for ``judge_attempt``. Raises ``HttpProblem`` (429).

        Counted before the attempt: otherwise many concurrent guesses would all find the quota unspent.
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
        """A success clears the pair's counter; a refusal stays counted; an attempt without a verdict is taken back."""
        succeeded = outcome is not None and outcome.status is Status.SUCCEEDED
        if succeeded:
            await self._limits.reset(attempt.pair_charge)
        elif outcome is None or outcome.status is Status.FAILED:
            await self._limits.refund(attempt.pair_charge)
        else:
            return
        for charge in (
            charge for charge in attempt.other_charges if charge.policy.quota
        ):  # a success takes back only its own charge: an attacker may own an account
            await self._limits.refund(charge)

    async def _enforce(self, http: web.Request, *charges: Charge) -> None:
        before = http.get(RATE_LIMIT)
        self._admission.enforce(http, await self._limits.count(*charges))
        if before is not None:
            http[RATE_LIMIT] = before  # the remaining attempts would help only an attacker
