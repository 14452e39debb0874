"""Redis in memory: the few commands that the leased cache's scripts call, and Lua 5.1 to run these as they are."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from lupa import lua51  # type: ignore[import-untyped]  # it has no types of its own
from redis.exceptions import ConnectionError as RedisConnectionError

from chassis.cache import member, reader
from chassis.redis import Call, Redis
from tests.simulation.world import World

AWAY_SECONDS = (0.3, 8.0)
LATE = 0.5  # of what its sender has given up, and Redis carries out all the same
LATE_SECONDS = (0.0, 5.0)

_lua: Final = lua51.LuaRuntime(encoding=None)
_compiled: dict[str, Any] = {}


class Server:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._values: dict[bytes, bytes | dict[bytes, bytes]] = {}
        self._ends: dict[bytes, float] = {}
        self._redis = _lua.table_from({b"call": self._called})

    def flush(self) -> None:
        self._values.clear()
        self._ends.clear()

    def execute(self, call: Call) -> Any:
        if call.script is None:
            return self._do(*map(_word, call.arguments))
        script = _compiled.get(call.script.source)
        if script is None:
            script = _lua.execute(b"return function(ARGV, redis) " + call.script.source.encode() + b"\nend")
            _compiled[call.script.source] = script
        # EVALSHA, the digest, and how many keys: none, in all of ours.
        return _from_lua(script(_lua.table_from(list(map(_word, call.arguments[3:]))), self._redis))

    def _called(self, *words: Any) -> Any:
        answer = self._do(*map(_word, words))
        if answer is None:
            return False
        return _lua.table_from(answer) if isinstance(answer, list) else answer

    def _do(self, name: bytes, *words: bytes) -> Any:
        return _COMMANDS[name.upper()](self, *words)

    def _find(self, key: bytes) -> Any:
        if self._ends.get(key, float("inf")) <= self._now():
            self._drop(key)
        return self._values.get(key)

    def _drop(self, key: bytes) -> bool:
        self._ends.pop(key, None)
        return self._values.pop(key, None) is not None

    def _hash(self, key: bytes) -> dict[bytes, bytes]:
        found = self._find(key)
        if found is None:
            found = self._values[key] = {}
        assert isinstance(found, dict)
        return found

    def ping(self) -> bytes:
        return b"PONG"

    def time(self) -> list[bytes]:
        now = self._now()
        return [b"%d" % int(now), b"%d" % int(now % 1 * 1_000_000)]

    def get(self, key: bytes) -> Any:
        return self._find(key)

    def set(self, key: bytes, value: bytes, unit: bytes = b"", stay: bytes = b"0") -> bytes:
        self._drop(key)
        self._values[key] = value
        if unit:
            assert unit == b"PX"
            self._ends[key] = self._now() + int(stay) / 1000
        return b"OK"

    def exists(self, key: bytes) -> int:
        return int(self._find(key) is not None)

    def unlink(self, *keys: bytes) -> int:
        return sum([self._find(key) is not None and self._drop(key) for key in keys])

    def pttl(self, key: bytes) -> int:
        if self._find(key) is None:
            return -2
        return int((self._ends[key] - self._now()) * 1000) if key in self._ends else -1

    def pexpire(self, key: bytes, stay: bytes) -> int:
        if self._find(key) is None:
            return 0
        self._ends[key] = self._now() + int(stay) / 1000
        return 1

    def hset(self, key: bytes, field: bytes, value: bytes) -> int:
        kept = self._hash(key)
        is_new = field not in kept
        kept[field] = value
        return int(is_new)

    def hsetnx(self, key: bytes, field: bytes, value: bytes) -> int:
        return 0 if field in self._hash(key) else self.hset(key, field, value)

    def hget(self, key: bytes, field: bytes) -> Any:
        return (self._find(key) or {}).get(field)

    def hgetall(self, key: bytes) -> list[bytes]:
        return [word for pair in (self._find(key) or {}).items() for word in pair]

    def hdel(self, key: bytes, field: bytes) -> int:
        kept = self._find(key) or {}
        was_there = kept.pop(field, None) is not None
        if not kept:
            self._drop(key)
        return int(was_there)


_COMMANDS: dict[bytes, Callable[..., Any]] = {
    b"PING": Server.ping, b"TIME": Server.time, b"GET": Server.get, b"SET": Server.set, b"EXISTS": Server.exists,
    b"UNLINK": Server.unlink, b"PTTL": Server.pttl, b"PEXPIRE": Server.pexpire, b"HSET": Server.hset,
    b"HSETNX": Server.hsetnx, b"HGET": Server.hget, b"HGETALL": Server.hgetall, b"HDEL": Server.hdel,
}  # fmt: skip


class RedisInMemory(Redis):
    """`Redis` with its breaker and its patience as they are, and this for the round trip."""

    def __init__(self, world: World, server: Server) -> None:
        super().__init__("redis://nowhere")
        self._world = world
        self._server = server

    async def _exchange(self, calls: Sequence[Call]) -> list[Any]:
        name = "+".join(dict.fromkeys(map(_name, calls)))
        async with asyncio.timeout(self._timeout_seconds):
            await self._there(name, calls)
            replies = [self._server.execute(call) for call in calls]
            await self._world.way(f"from redis {name}")
            await self._pass()
            return replies

    async def _there(self, name: str, calls: Sequence[Call]) -> None:
        try:
            await self._world.way(f"to redis {name}")
        except asyncio.CancelledError:
            # What is on its way may arrive though nobody waits for the answer any more.
            if not self._world.over and self._world.random.random() < LATE:
                late = self._world.random.uniform(*LATE_SECONDS)
                asyncio.get_running_loop().call_later(late, lambda: [self._server.execute(call) for call in calls])
                self._world.seen["late in redis"] += 1
            raise
        await self._pass()

    async def _pass(self) -> None:
        """Raises, or never returns, while nothing gets through."""
        now, process = self._world.now(), self._world.process()
        if self._world.redis_away_until > now:
            raise RedisConnectionError
        if process is not None and process.redis_cut_until > now:
            if process.redis_is_silent:
                await asyncio.get_running_loop().create_future()
            raise RedisConnectionError


_NAMES = {
    script: name
    for name, script in {
        "invalidate": member.INVALIDATE, "join": member.JOIN, "renew": member.RENEW, "reconcile": member.RECONCILE,
        "remove": member.REMOVE, "read": reader.READ, "fill": reader.FILL,
    }.items()
}  # fmt: skip


def _name(call: Call) -> str:
    """Of an operation: the script's, or the command's."""
    return str(call.arguments[0]).lower() if call.script is None else _NAMES.get(call.script, "another script")


def _word(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):  # Lua 5.1 knows no integers
        return b"%d" % value if value.is_integer() else str(value).encode()
    return str(value).encode()


def _from_lua(value: Any) -> Any:
    """As Redis turns what a script returns into a reply."""
    if value is None or value is False:
        return None
    if isinstance(value, float):
        return int(value)
    if lua51.lua_type(value) == "table":
        return [_from_lua(value[place]) for place in range(1, len(value) + 1)]
    return value
