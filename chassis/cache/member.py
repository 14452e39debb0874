"""The writing side of the leased cache: for workers."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg

from chassis.cache.record import POSTGRES_ERRORS, MemberRecord
from chassis.cache.timing import Timing
from chassis.logging import logger
from chassis.redis import Call, Redis, RedisUnavailable, Script

log = logger(__name__)

INVALIDATE = Script.load("chassis.cache.scripts", "invalidate.lua")
JOIN = Script.load("chassis.cache.scripts", "leases.lua", "join.lua")
RENEW = Script.load("chassis.cache.scripts", "leases.lua", "renew.lua")
RECONCILE = Script.load("chassis.cache.scripts", "leases.lua", "reconcile.lua")
REMOVE = Script.load("chassis.cache.scripts", "remove.lua")

NEVER = float("-inf")
ALL_ENTRIES = "*"


class CacheMember:
    """A process that changes cached data. Entries can be read only while its lease is valid."""

    def __init__(
        self,
        redis: Redis,
        pool: "asyncpg.Pool[asyncpg.Record]",
        schema: str,
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._record = MemberRecord(pool, schema)
        self._schema = schema
        self._timing = timing or Timing()
        self._clock = clock
        self._member: UUID | None = None  # as recorded in PostgreSQL
        self._registered_at = NEVER
        self._joined = False  # Redis has our lease, as far as we know
        self._lease_requested_at = NEVER  # our lease has expired lease_seconds after this, at the latest
        self._reconciled_at = NEVER
        self._reconciling = asyncio.Lock()  # one comparison of the record with Redis at a time
        self._pending_invalidations = 0  # invalidations that Redis has not got yet
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def joined(self) -> bool:
        return self._joined

    async def join(self) -> None:
        """Record the member, then take a lease; if Redis is unavailable, as soon as it is back.

        Raises asyncpg's errors if PostgreSQL is unavailable.
        """
        await self._register()
        with suppress(RedisUnavailable):
            await self._enter()
        self._tasks = [
            asyncio.create_task(self._every(self._timing.renew_seconds, self._renew), name="cache-renew"),
            asyncio.create_task(self._every(self._timing.reconcile_seconds, self._reconcile), name="cache-reconcile"),
        ]

    async def leave(self) -> None:
        """For a graceful stop, after the last invalidation. Never raises: what it cannot remove, other members do."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        member, self._member, self._joined = self._member, None, False
        if member is None:
            return
        with suppress(*POSTGRES_ERRORS):
            await self._record.remove(member)
        with suppress(RedisUnavailable):
            await self._redis.run(
                Call(("SET", "cache:epoch", _random())), Call(("HDEL", "cache:members", self._field(member)))
            )

    async def invalidate(self, names: Collection[str]) -> None:
        """Return once no reader can return the old entries of *names*. Call it after the commit.

        It takes one round trip, or while Redis is unavailable the rest of our lease. `ALL_ENTRIES` as a name drops the
        whole cache, of all owners.
        """
        if not names:
            return
        invalidate = INVALIDATE(*names)
        with suppress(RedisUnavailable):
            await self._redis.run(invalidate)
            return
        self._pending_invalidations += 1  # while there are any, the lease is not renewed
        try:
            while not await self._readers_blocked():
                await asyncio.sleep(self._timing.retry_seconds)
                with suppress(RedisUnavailable):
                    await self._redis.run(invalidate)
                    return
        finally:
            self._pending_invalidations -= 1

    async def _readers_blocked(self) -> bool:
        """Whether our expired lease makes every read fail, and any removal of this member is after our commit."""
        member = self._member
        if member is None or self._clock() < self._timing.blocked_at(self._lease_requested_at, self._registered_at):
            return False
        try:
            registered = await self._record.contains(member)
        except POSTGRES_ERRORS:
            return False
        if not registered:
            self._on_removed(member)
        # A renewal that was in flight when the invalidation began may have extended the lease meanwhile.
        return registered and self._clock() >= self._timing.blocked_at(self._lease_requested_at, self._registered_at)

    async def _renew(self) -> None:
        if self._member is None:
            await self._register()
        if self._pending_invalidations:
            return
        if not self._joined:
            await self._enter()
            return
        lease_ends, heard_at = await self._lease_from_now()
        if heard_at - self._reconciled_at > self._timing.reconciled_for_seconds:
            return
        assert self._member is not None
        # Set before the call: a renewal without a reply may have been executed.
        self._lease_requested_at = heard_at
        (renewed,) = await self._redis.run(RENEW(self._timing.lease_ms, self._field(self._member), lease_ends))
        if not renewed:
            self._joined = False
            log.warning("cache_lease_lapsed", member=str(self._member))
            await self._enter()

    async def _enter(self) -> None:
        async with self._reconciling:
            await self._take_lease()

    async def _take_lease(self) -> None:
        lease_ends, heard_at = await self._lease_from_now()
        recorded = await self._record.all()
        member = self._member
        if member is None or member not in recorded:
            if member is not None:
                self._on_removed(member)
            return
        others = [self._field(other) for other in recorded - {member}]
        self._lease_requested_at = heard_at
        (joined,) = await self._redis.run(
            JOIN(self._timing.lease_ms, self._field(member), lease_ends, _random(), *others)
        )
        if joined:
            self._joined = True
            self._reconciled_at = heard_at
            log.info("cache_member_joined", member=str(member))

    async def _reconcile(self) -> None:
        """Add recorded members that Redis lacks, and remove dead ones."""
        async with self._reconciling:
            began_at = self._clock()
            recorded = await self._record.all()
            member = self._member
            if member is not None and member not in recorded:
                self._on_removed(member)
                return
            dead_after_ms = int(self._timing.dead_after_seconds * 1000)
            (dead,) = await self._redis.run(
                RECONCILE(self._timing.lease_ms, self._schema, dead_after_ms, *map(self._field, recorded))
            )
            self._reconciled_at = began_at
        for field, lease_end in zip(dead[::2], dead[1::2], strict=True):
            dead_member = UUID(field.decode().partition(":")[2])
            if dead_member != member:
                # The record first: see the package's docstring.
                await self._record.remove(dead_member)
                (removed,) = await self._redis.run(REMOVE(field, lease_end, _random()))
                if removed:
                    log.warning("cache_member_removed", member=str(dead_member))

    async def _register(self) -> None:
        member = uuid4()  # a new id each time, so that it is never the id of a removed member
        await self._record.add(member)
        self._member = member
        self._registered_at = self._clock()

    def _on_removed(self, member: UUID) -> None:
        if self._member == member:
            self._member = None
            self._joined = False
            log.warning("cache_member_was_removed", member=str(member))

    async def _lease_from_now(self) -> tuple[int, float]:
        """The expiry of a lease that is taken now (Redis's clock, ms), and a time (our clock) that is not before now.

        Read before the renewal is sent, so that a delayed renewal does not last longer.
        """
        ((seconds, microseconds),) = await self._redis.run(Call(("TIME",)))
        heard_at = self._clock()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        return now_ms + self._timing.lease_ms, heard_at

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        this = asyncio.current_task()
        # Drivers may swallow a cancellation that arrives as a call completes, hence ``cancelling``.
        while this is not None and not this.cancelling():
            await asyncio.sleep(seconds)
            try:
                await step()
            except (RedisUnavailable, *POSTGRES_ERRORS) as error:
                log.debug("cache_member_waits", error=str(error))
            except Exception:
                # An expired lease is safe but slow: try again at the next step, whatever the error is.
                log.exception("cache_member_step_failed")

    def _field(self, member: UUID) -> str:
        return f"{self._schema}:{member}"


def _random() -> str:
    return secrets.token_hex(16)
