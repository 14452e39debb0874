"""The reading side of the leased cache: for gateways."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chassis.cache.timing import Timing
from chassis.redis import CallWithFallback, Redis, RedisUnavailable, Script

READ = Script.load("chassis.cache.scripts", "leases.lua", "read.lua")
FILL = Script.load("chassis.cache.scripts", "leases.lua", "fill.lua")
WATCH = Script.load("chassis.cache.scripts", "leases.lua", "watch.lua")
LARGE_BYTES = 64 * 1024  # a larger value is sent in a round trip of its own


@dataclass(frozen=True, slots=True)
class Entry:
    """The key of a cache entry: a name, such as a diagram, in a variant, such as the view of one user.

    A name begins with its kind: ``diagram/<id>``, ``session/<id>``. Invalidating a name drops all its variants.
    """

    name: str
    variant: str = ""
    known: tuple[str, ...] = ()  # tags: if the entry has one of them, its value is not read


@dataclass(frozen=True, slots=True)
class FillToken:
    """Given to a fill, it proves that nothing was invalidated since the read."""

    epoch: bytes
    generation: bytes


@dataclass(frozen=True, slots=True)
class Hit:
    value: bytes


@dataclass(frozen=True, slots=True)
class Unchanged(Hit):
    """The entry has one of the known tags; its value was not read."""

    tag: str


@dataclass(frozen=True, slots=True)
class Miss:
    """Fetch the value and pass it to `CacheReader.fill`; without a token it is not cached."""

    entry: Entry
    token: FillToken | None = None


LookupResult = Hit | Miss


class CacheReader:
    """Reads and fills entries.

    Args:
        redis: Where the entries are.
        owners: For each kind of name, the schema whose members invalidate it.
        fetch_seconds: A value that took longer to fetch is not cached.
        max_value_bytes: Larger values are not cached, as they would delay all other calls to Redis.
        timing: The same as the members' own.
    """

    def __init__(
        self,
        redis: Redis,
        owners: Mapping[str, str],
        *,
        fetch_seconds: float = 60.0,
        max_value_bytes: int = 1024 * 1024,
        timing: Timing | None = None,
    ) -> None:
        self._redis = redis
        self._owners = dict(owners)
        self._fetch_ms = int(fetch_seconds * 1000)
        self._max_value_bytes = max_value_bytes
        self._timing = timing or Timing()
        self._lease_ms = self._timing.lease_ms

    def look_up(self, *entries: Entry) -> CallWithFallback[list[LookupResult]]:
        """For `Redis.run_or_fall_back`: look up all *entries*; misses while Redis is unavailable."""
        words = [
            word for entry in entries for word in (self._owner(entry), entry.name, entry.variant, _lines(entry.known))
        ]

        def decode(reply: list[Any]) -> list[LookupResult]:
            epoch, *answers = reply
            return [_found(entry, epoch, answer) for entry, answer in zip(entries, answers, strict=True)]

        return CallWithFallback(
            call=READ(self._lease_ms, f"{random.getrandbits(64):016x}", self._fetch_ms, *words),
            decode=decode,
            fallback=lambda: [Miss(entry) for entry in entries],
        )

    async def read(self, *entries: Entry) -> list[LookupResult]:
        """Never raises: an entry that cannot be read is a miss."""
        (found,) = await self._redis.run_or_fall_back(self.look_up(*entries))
        return found

    async def fill(self, miss: Miss, value: bytes, *, ttl_seconds: float, tag: str = "") -> bool:
        """Cache a value that was fetched after *miss*, unless its name was invalidated since. Never raises.

        *ttl_seconds* counts from the first fill of any variant of the name. *tag* names the value, and is kept apart
        from it, also where the value is too large to be cached.
        """
        entry, token = miss.entry, miss.token
        if len(value) > self._max_value_bytes:
            value = b""
        if token is None or not (value or tag):
            return False
        fill = FILL(
            self._lease_ms,
            self._owner(entry),
            entry.name,
            entry.variant,
            token.epoch,
            token.generation,
            value,
            max(1, int(ttl_seconds * 1000)),
            tag,
            alone=len(value) > LARGE_BYTES,
        )
        try:
            (filled,) = await self._redis.run(fill)
        except RedisUnavailable:
            return False
        return bool(filled)

    async def watch_clock(self) -> None:
        """Notes Redis's clock; called every ``watch_seconds``, more often than the margin that members keep.

        A clock is known to have been set back only if it was looked at before: in an idle system nobody else does.
        Raises ``RedisUnavailable``.
        """
        await self._redis.run(WATCH(self._lease_ms))

    @property
    def watch_seconds(self) -> float:
        return self._timing.margin_seconds / 2

    def _owner(self, entry: Entry) -> str:
        return self._owners[entry.name.partition("/")[0]]


def _found(entry: Entry, epoch: bytes | None, answer: Any) -> LookupResult:
    match answer:
        case bytes():
            return Hit(answer)
        case [b"", bytes() as tag]:
            return Unchanged(b"", tag.decode())
        case [bytes() as generation] if epoch is not None:
            return Miss(entry, FillToken(epoch, generation))
        case _:
            return Miss(entry)


def _lines(tags: tuple[str, ...]) -> str:
    return "\n".join(("", *tags, "")) if tags else ""
