"""The Redis client: one round trip, a timeout of 200 ms, no retries, and a circuit breaker.

Redis only makes things faster, so no request waits for it. `Redis.run` raises if Redis did not execute a command.
`Redis.run_or_fall_back` never raises: each call brings the answer to use while Redis is unavailable.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Generic, Self, TypeVar, overload

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from chassis.logging import logger

log = logger(__name__)

Argument = str | bytes | int
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class RedisUnavailable(Exception):
    """Redis did not execute the command, or it is unknown whether it did."""


@dataclass(frozen=True, slots=True)
class Call:
    """One Redis command. *alone*: in a round trip of its own, since its transfer would delay those of others."""

    arguments: tuple[Argument, ...]
    script: "Script | None" = None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, called by its digest. Its source is sent only to a server that does not have it."""

    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        # Redis identifies scripts by SHA-1. It is no security function here.
        object.__setattr__(self, "digest", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    @classmethod
    def load(cls, package: str, *files: str) -> Self:
        """The concatenation of *files* in *package*."""
        folder = resources.files(package)
        return cls("\n".join((folder / file).read_text(encoding="utf-8") for file in files))

    def __call__(self, *args: Argument, keys: Sequence[str] = (), alone: bool = False) -> Call:
        return Call(("EVALSHA", self.digest, len(keys), *keys, *args), self, alone)


@dataclass(frozen=True, slots=True)
class CallWithFallback(Generic[T]):
    """A call, how to decode its reply, and the result to use while Redis is unavailable."""

    call: Call
    decode: Callable[[Any], T]
    fallback: Callable[[], T]


class Redis:
    """A blocking connection pool for one Redis server, behind a circuit breaker.

    The pool is our own, a list and a semaphore: redis-py's pool costs a third of a read's round trip (measured
    2026-11-24). If Redis closed an idle connection, the next call that uses it falls back.

    The first failure opens the breaker. While it is open every call fails at once, and a background probe closes it
    as soon as Redis answers.
    """

    def __init__(
        self,
        url: str,
        *,
        max_connections: int = 50,
        timeout_seconds: float = 0.2,
        probe_seconds: float = 0.25,
    ) -> None:
        self.max_connections = max_connections
        self._timeout_seconds = timeout_seconds
        self._probe_seconds = probe_seconds
        self._probe: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: list[AbstractConnection] = []
        self._in_use = 0
        self._pending: list[tuple[Sequence[Call], asyncio.Future[list[Any]]]] = []
        self._round_trips: set[asyncio.Task[None]] = set()
        # RESP2 costs less CPU than RESP3 for the replies that we read. One timeout of ours covers waiting for a
        # connection, connecting, and all replies; a connection that it cancels disconnects itself.
        self._connections: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_timeout=None,  # otherwise redis-py makes a task for each send (asyncio.wait_for): 60 us of CPU
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            retry_on_error=[],
            protocol=2,
        )

    @property
    def unavailable(self) -> bool:
        """Whether the breaker is open."""
        return self._probe is not None

    @property
    def connections_in_use(self) -> int:
        return self._in_use

    async def run(self, *calls: Call) -> list[Any]:
        """Execute *calls* in one round trip and return their replies.

        Raises ``RedisUnavailable`` if any call failed; the others may have been executed.
        """
        replies = await self._guarded(calls)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise RedisUnavailable(str(reply)) from reply
        return replies

    @overload
    async def run_or_fall_back(self, first: CallWithFallback[A], /) -> tuple[A]: ...
    @overload
    async def run_or_fall_back(self, first: CallWithFallback[A], second: CallWithFallback[B], /) -> tuple[A, B]: ...
    @overload
    async def run_or_fall_back(
        self, first: CallWithFallback[A], second: CallWithFallback[B], third: CallWithFallback[C], /
    ) -> tuple[A, B, C]: ...
    async def run_or_fall_back(self, *calls: CallWithFallback[Any]) -> tuple[Any, ...]:
        """Execute *calls* in one round trip. A call that fails returns its fallback. Never raises."""
        try:
            replies = await self._guarded([call.call for call in calls])
        except RedisUnavailable:
            return tuple(call.fallback() for call in calls)
        return tuple(
            call.fallback() if isinstance(reply, ResponseError) else call.decode(reply)
            for call, reply in zip(calls, replies, strict=True)
        )

    async def ping(self) -> None:
        """For health checks: asks Redis even while the breaker is open. Raises ``RedisUnavailable``."""
        try:
            await self._exchange([Call(("PING",))])
        except (RedisError, OSError) as error:
            raise RedisUnavailable(str(error)) from error

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            with suppress(asyncio.CancelledError):
                await self._probe
            self._probe = None
        if self._round_trips:
            await asyncio.wait(self._round_trips)  # 200 ms at most
        await self._disconnect_idle()

    async def _guarded(self, calls: Sequence[Call]) -> list[Any]:
        if self._probe is not None:
            raise RedisUnavailable("the breaker is open")
        try:
            replies = await self._shared(calls)
        except (RedisError, OSError) as error:  # asyncio's TimeoutError is an OSError
            self._open(error)
            raise RedisUnavailable(str(error) or type(error).__name__) from error
        for reply in replies:
            if isinstance(reply, ResponseError):
                log.error("redis_command_refused", error=str(reply))
        return replies

    async def _shared(self, calls: Sequence[Call]) -> list[Any]:
        """One round trip for all calls of one event loop turn."""
        if any(call.alone for call in calls):
            return await self._exchange(calls)
        loop = asyncio.get_running_loop()
        replies: asyncio.Future[list[Any]] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._send_pending)
        self._pending.append((calls, replies))
        return await replies

    def _send_pending(self) -> None:
        batch, self._pending = self._pending, []
        round_trip = asyncio.create_task(self._send_batch(batch), name="redis")
        self._round_trips.add(round_trip)
        round_trip.add_done_callback(self._round_trips.discard)

    async def _send_batch(self, batch: "Sequence[tuple[Sequence[Call], asyncio.Future[list[Any]]]]") -> None:
        """Resolve every future of *batch*, however it ends."""
        try:
            replies = iter(await self._exchange([call for calls, _ in batch for call in calls]))
        except (RedisError, OSError) as error:
            for _, future in batch:
                _fail(future, error)
        except Exception as error:  # noqa: BLE001 - the error of one caller, which only that caller gets
            if len(batch) == 1:
                _fail(batch[0][1], error)
            else:
                for waiter in batch:
                    await self._send_batch([waiter])
        else:
            for calls, future in batch:
                own = [next(replies) for _ in calls]
                if not future.done():  # the caller may have been cancelled
                    future.set_result(own)
        finally:
            for _, future in batch:
                future.cancel()

    async def _exchange(self, calls: Sequence[Call]) -> list[Any]:
        async with asyncio.timeout(self._timeout_seconds), self._slots:
            # Last in, first out: connections that a burst opened stay idle at the bottom.
            connection = self._idle.pop() if self._idle else self._connections.make_connection()  # type: ignore[no-untyped-call]  # theirs is not annotated
            self._in_use += 1
            try:
                return await _replies(connection, calls)
            except RuntimeError as error:  # raised by uvloop for a socket that the peer has reset
                await connection.disconnect(nowait=True)
                raise RedisConnectionError(str(error)) from error
            except BaseException:
                await connection.disconnect(nowait=True)  # its unread replies would go to the next user
                raise
            finally:
                self._in_use -= 1
                self._idle.append(connection)

    def _open(self, error: Exception) -> None:
        if self._probe is None:
            log.warning("redis_unavailable", error=str(error) or type(error).__name__)
            self._probe = asyncio.create_task(self._close_when_redis_answers(), name="redis-probe")

    async def _close_when_redis_answers(self) -> None:
        this = asyncio.current_task()
        await self._disconnect_idle()  # they may be as broken as the one that failed
        # redis-py may swallow a cancellation that arrives as a command completes, hence ``cancelling``.
        while this is not None and not this.cancelling():
            # Probe immediately at first: if only one connection broke, the outage is over at once.
            with suppress(RedisError, OSError):
                await self._exchange([Call(("PING",))])
                self._probe = None
                log.info("redis_available_again")
                return
            await asyncio.sleep(self._probe_seconds)

    async def _disconnect_idle(self) -> None:
        for connection in tuple(self._idle):
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)


def _fail(future: "asyncio.Future[list[Any]]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


async def _replies(connection: Any, calls: Sequence[Call]) -> list[Any]:
    if not connection.is_connected:
        await connection.connect()
    replies = await _round_trip(connection, calls)
    unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError) and calls[i].script]
    if unknown:
        second = await _round_trip(connection, [_in_full(calls[i]) for i in unknown])
        for i, reply in zip(unknown, second, strict=True):
            replies[i] = reply
    return replies


def _in_full(call: Call) -> Call:
    assert call.script is not None
    return Call(("EVAL", call.script.source, *call.arguments[2:]))


async def _round_trip(connection: Any, calls: Sequence[Call]) -> list[Any]:
    # Not redis-py's pipeline, which needs a second round trip for scripts.
    await connection.send_packed_command(b"".join([pack_command(call.arguments) for call in calls]))  # type: ignore[arg-type]  # its stub says one word
    replies: list[Any] = []
    for _ in calls:
        try:
            replies.append(await connection.read_response(disable_decoding=True))
        except ResponseError as error:
            replies.append(error)
    return replies
