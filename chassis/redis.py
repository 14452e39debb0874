"""Redis as our services use it: one round trip, 200 ms at most, no retries, and a breaker.

Redis only makes things faster, so nobody waits for it. `Redis.run` is for those who must know whether Redis did it,
`Redis.run_or_fall_back` for a request's way, where each question brings the answer to use while Redis is unavailable.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Generic, Self, TypeVar, overload

import structlog
from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

LARGE_BYTES = 64 * 1024  # whatever is larger shares no way with others

log = structlog.get_logger(__name__)

Word = str | bytes | int
T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class RedisUnavailable(Exception):  # noqa: N818 - a state of the world that callers handle, not an error of theirs
    """Redis did not do what it was asked to, or nobody knows whether it did."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command on its way to Redis."""

    words: tuple[Word, ...]
    script: "Script | None" = None


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script that is called by its digest and sent in full only to a server that does not have it."""

    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        # Redis names scripts by SHA-1; nothing here depends on its strength.
        object.__setattr__(self, "digest", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())

    @classmethod
    def load(cls, package: str, *files: str) -> Self:
        """The script that the files in a package make when put behind each other."""
        folder = resources.files(package)
        return cls("\n".join((folder / file).read_text(encoding="utf-8") for file in files))

    def __call__(self, *args: Word, keys: Sequence[str] = ()) -> Call:
        return Call(("EVALSHA", self.digest, len(keys), *keys, *args), self)


@dataclass(frozen=True, slots=True)
class CallWithFallback(Generic[T]):
    """A question for Redis: the command, how to read its reply, and the answer to give while Redis is unavailable."""

    call: Call
    decode: Callable[[Any], T]
    fallback: Callable[[], T]


class Redis:
    """A blocking pool of connections to one Redis, behind a breaker.

    The pool is our own, a list and a semaphore: redis-py's takes a third of a read's way to Redis and back (measured
    2026-11-24). A connection that Redis has closed while it was idle costs whoever takes it next a fallback.

    The first failure opens the breaker. While it is open every call fails at once, and a probe in the background (no
    request pays for it) closes it as soon as Redis answers.
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
        self._trips: set[asyncio.Task[None]] = set()
        # RESP2 costs less CPU than RESP3 for the replies that we read. Our own timeout covers waiting for a connection,
        # connecting and all replies together, and a connection that it cancels disconnects itself.
        self._connections: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_timeout=None,  # else every send is a task of its own (asyncio.wait_for): 60 us of CPU
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
        """Their replies, from one round trip.

        Raises RedisUnavailable if any of them failed; the others may have been carried out.
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
    async def run_or_fall_back(self, first: CallWithFallback[A], second: CallWithFallback[B], third: CallWithFallback[C], /) -> tuple[A, B, C]: ...
    async def run_or_fall_back(self, *calls: CallWithFallback[Any]) -> tuple[Any, ...]:
        """Answers from one round trip; a question that Redis does not answer gets its own fallback. Never raises."""
        try:
            replies = await self._guarded([call.call for call in calls])
        except RedisUnavailable:
            return tuple(call.fallback() for call in calls)
        return tuple(
            call.fallback() if isinstance(reply, ResponseError) else call.decode(reply)
            for call, reply in zip(calls, replies, strict=True)
        )

    async def ping(self) -> None:
        """Raises RedisUnavailable. Asks Redis even while the breaker is open: for health checks."""
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
        if self._trips:
            await asyncio.wait(self._trips)  # 200 ms at most
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
        """One round trip for all who ask in this turn of the event loop; for what is large, one of its own."""
        if any(isinstance(word, bytes) and len(word) > LARGE_BYTES for call in calls for word in call.words):
            return await self._exchange(calls)
        loop = asyncio.get_running_loop()
        replies: asyncio.Future[list[Any]] = loop.create_future()
        if not self._pending:
            loop.call_soon(self._send_pending)
        self._pending.append((calls, replies))
        return await replies

    def _send_pending(self) -> None:
        batch, self._pending = self._pending, []
        trip = asyncio.create_task(self._send_batch(batch), name="redis")
        self._trips.add(trip)
        trip.add_done_callback(self._trips.discard)

    async def _send_batch(self, batch: "Sequence[tuple[Sequence[Call], asyncio.Future[list[Any]]]]") -> None:
        """However it ends, nobody is left waiting."""
        try:
            replies = iter(await self._exchange([call for calls, _ in batch for call in calls]))
        except (RedisError, OSError) as error:
            for _, future in batch:
                _fail(future, error)
        except Exception as error:  # noqa: BLE001 - somebody's own mistake, and only theirs to hear of
            if len(batch) == 1:
                _fail(batch[0][1], error)
            else:
                for one in batch:
                    await self._send_batch([one])
        else:
            for calls, future in batch:
                own = [next(replies) for _ in calls]
                if not future.done():  # who asked may have given up
                    future.set_result(own)
        finally:
            for _, future in batch:
                future.cancel()

    async def _exchange(self, calls: Sequence[Call]) -> list[Any]:
        async with asyncio.timeout(self._timeout_seconds), self._slots:
            # The one used last: what a burst has opened beyond need stays idle behind it.
            connection = self._idle.pop() if self._idle else self._connections.make_connection()  # type: ignore[no-untyped-call]  # theirs is not annotated
            self._in_use += 1
            try:
                return await _replies(connection, calls)
            except RuntimeError as error:  # uvloop's word for a socket that the other side has reset
                await connection.disconnect(nowait=True)
                raise RedisConnectionError(str(error)) from error
            except BaseException:
                await connection.disconnect(nowait=True)  # so that nobody reads another's reply
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
        await self._disconnect_idle()  # as broken as the one that failed, for all we know
        # redis-py may swallow a cancellation that arrives just as it finishes, so the loop asks for itself.
        while this is not None and not this.cancelling():
            # At once the first time: a connection that broke alone should not cost more than a moment.
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
    return Call(("EVAL", call.script.source, *call.words[2:]))


async def _round_trip(connection: Any, calls: Sequence[Call]) -> list[Any]:
    # The connection itself rather than redis-py's pipeline, which spends a second trip on scripts.
    await connection.send_packed_command(b"".join([pack_command(call.words) for call in calls]))  # type: ignore[arg-type]  # its stub says one word
    replies: list[Any] = []
    for _ in calls:
        try:
            replies.append(await connection.read_response(disable_decoding=True))
        except ResponseError as refused:
            replies.append(refused)
    return replies
