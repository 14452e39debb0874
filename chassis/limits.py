"""Rate limits: a quota for each window, which begins with the first request. Redis counts for all gateways.

While Redis is unavailable each process counts alone, from the last count that it read. So within one window a process
that loses Redis grants at most the rest of the quota, and a Redis that comes back empty grants one more quota.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.redis import Call, CallWithFallback, Redis, RedisUnavailable, Script

COUNT = Script.load("chassis", "limits.lua")
# DECR keeps the key's ttl, so the window does not begin again.
REFUND = Script("if tonumber(redis.call('GET', KEYS[1]) or 0) > 0 then return redis.call('DECR', KEYS[1]) end return 0")


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """A quota for each subject. A quota of 0 is no limit."""

    name: str  # as the RateLimit headers show it
    quota: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Charge:
    """One use of a policy's quota by a subject: a user's id, an address, or both."""

    policy: RateLimitPolicy
    subject: str

    @property
    def key(self) -> str:
        return f"l:{self.policy.name}:{self.subject}"


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    policy: RateLimitPolicy
    counted: int
    reset_seconds: int

    @property
    def remaining(self) -> int:
        return max(0, self.policy.quota - self.counted)


@dataclass(frozen=True, slots=True)
class RateLimitDecision:
    """Whether the charges are allowed. Header values follow the IETF draft on RateLimit header fields."""

    allowed: bool
    usages: tuple[QuotaUsage, ...] = ()

    @property
    def refused_by(self) -> QuotaUsage | None:
        """The policy that is exhausted; of several, the one that resets last."""
        if self.allowed:
            return None
        return max((s for s in self.usages if not s.remaining), key=lambda s: s.reset_seconds)

    @property
    def retry_after_seconds(self) -> int | None:
        refused_by = self.refused_by
        return None if refused_by is None else refused_by.reset_seconds

    @property
    def rate_limit(self) -> str:
        """For ``RateLimit``; empty if nothing is limited."""
        return ", ".join(f'"{s.policy.name}";r={s.remaining};t={s.reset_seconds}' for s in self.usages)

    @property
    def rate_limit_policy(self) -> str:
        """For ``RateLimit-Policy``; empty if nothing is limited."""
        return ", ".join(f'"{s.policy.name}";q={s.policy.quota};w={s.policy.window_seconds}' for s in self.usages)


@dataclass(slots=True)
class _Window:
    counted: int
    ends_at: float


class LocalWindows:
    """The windows that one process knows: counts that Redis last returned, and its own while Redis is unavailable."""

    def __init__(self, *, max_windows: int = 20_000) -> None:
        self._windows: dict[str, _Window] = {}
        self._max_windows = max_windows

    def __len__(self) -> int:
        return len(self._windows)

    def store(self, key: str, counted: int, ends_at: float) -> None:
        """Store the count that Redis returned. If there are too many windows, the least recently used is dropped."""
        self._windows.pop(key, None)
        self._windows[key] = _Window(counted, ends_at)
        if len(self._windows) > self._max_windows:
            del self._windows[next(iter(self._windows))]

    def reset(self, key: str) -> None:
        self._windows.pop(key, None)

    def refund(self, key: str) -> None:
        window = self._windows.get(key)
        if window is not None:
            window.counted = max(0, window.counted - 1)

    def check(self, charges: Sequence[Charge], now: float, *, count: bool) -> RateLimitDecision:
        """As the Lua script, without Redis."""
        windows = [self._current(charge, now) for charge in charges]
        allowed = all(window.counted < charge.policy.quota for charge, window in zip(charges, windows, strict=True))
        if allowed and count:
            for charge, window in zip(charges, windows, strict=True):
                self.store(charge.key, window.counted + 1, window.ends_at)
                window.counted += 1
        return RateLimitDecision(
            allowed,
            tuple(
                QuotaUsage(charge.policy, window.counted, math.ceil(window.ends_at - now))
                for charge, window in zip(charges, windows, strict=True)
            ),
        )

    def _current(self, charge: Charge, now: float) -> _Window:
        window = self._windows.get(charge.key)
        if window is None or window.ends_at <= now:
            return _Window(0, now + charge.policy.window_seconds)
        return _Window(window.counted, window.ends_at)


class RateLimits:
    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._local = LocalWindows()

    def counting(self, *charges: Charge) -> CallWithFallback[RateLimitDecision]:
        """For `Redis.run_or_fall_back`: count all charges, or none if one exceeds its quota."""
        return self._call(charges, count=True)

    def peeking(self, *charges: Charge) -> CallWithFallback[RateLimitDecision]:
        """For `Redis.run_or_fall_back`: whether the charges would be allowed, without counting them."""
        return self._call(charges, count=False)

    async def count(self, *charges: Charge) -> RateLimitDecision:
        """Count *charges*. Never raises."""
        (decision,) = await self._redis.run_or_fall_back(self.counting(*charges))
        return decision

    async def peek(self, *charges: Charge) -> RateLimitDecision:
        """Check *charges* without counting them. Never raises.

        Many requests can peek before the first is counted. Where that matters, count first and `reset` on success.
        """
        (decision,) = await self._redis.run_or_fall_back(self.peeking(*charges))
        return decision

    async def refund(self, charge: Charge) -> None:
        """Uncount one charge, as for an attempt that had no result. Never raises."""
        self._local.refund(charge.key)
        try:
            await self._redis.run(REFUND(keys=[charge.key]))
        except RedisUnavailable:
            return  # the window ends by itself

    async def reset(self, charge: Charge) -> None:
        """Give the subject its whole quota, as after a successful sign-in. Never raises."""
        self._local.reset(charge.key)
        try:
            await self._redis.run(Call(("DEL", charge.key)))
        except RedisUnavailable:
            return  # the window ends by itself

    def _call(self, all_charges: Sequence[Charge], *, count: bool) -> CallWithFallback[RateLimitDecision]:
        charges = [charge for charge in all_charges if charge.policy.quota > 0]
        numbers = [number for c in charges for number in (c.policy.quota, c.policy.window_seconds * 1000)]

        def decode(reply: list[Any]) -> RateLimitDecision:
            now = self._clock()
            usages = []
            for charge, counted, left_ms in zip(charges, reply[1::2], reply[2::2], strict=True):
                self._local.store(charge.key, counted, now + left_ms / 1000)
                usages.append(QuotaUsage(charge.policy, counted, math.ceil(left_ms / 1000)))
            return RateLimitDecision(bool(reply[0]), tuple(usages))

        return CallWithFallback(
            call=COUNT(int(count), *numbers, keys=[charge.key for charge in charges]),
            decode=decode,
            fallback=lambda: self._local.check(charges, self._clock(), count=count),
        )
