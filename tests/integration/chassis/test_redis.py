"""Redis as our services use it, against a real server behind a proxy."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from chassis.redis import Call, CallWithFallback, Redis, RedisUnavailable, Script
from tests.eventually import eventually
from tests.integration.chassis.proxy import Proxy

ADD = Script("return tonumber(ARGV[1]) + tonumber(ARGV[2])")


@pytest.fixture
async def proxy(cache_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(cache_url) as proxy:
        yield proxy


PATIENCE_SECONDS = 5  # for a busy machine, where no time is what is tested


@asynccontextmanager
async def redis_at(url: str, **options: Any) -> AsyncIterator[Redis]:
    redis = Redis(url, **{"timeout_seconds": PATIENCE_SECONDS, **options})
    try:
        yield redis
    finally:
        await redis.close()


async def until_back(redis: Redis) -> None:
    async def is_back() -> bool:
        return not redis.unavailable

    await eventually(is_back)


async def answers(redis: Redis) -> bool:
    try:
        return await redis.run(Call(("PING",))) == [b"PONG"]
    except RedisUnavailable:
        return False


async def test_replies_come_in_the_order_of_their_calls(cache_url: str) -> None:
    async with redis_at(cache_url) as redis:
        assert await redis.run(Call(("SET", "a", "1")), Call(("GET", "a")), ADD(1, 2)) == [b"OK", b"1", 3]


async def test_a_script_that_the_server_forgot_is_sent_again(cache_url: str) -> None:
    async with redis_at(cache_url) as redis:
        await redis.run(ADD(1, 2))
        await redis.run(Call(("SCRIPT", "FLUSH")))

        assert await redis.run(ADD(1, 2), Call(("ECHO", "x")), ADD(3, 4)) == [3, b"x", 7]


async def test_a_frozen_redis_costs_one_timeout_and_then_nothing(proxy: Proxy) -> None:
    async with redis_at(proxy.url, timeout_seconds=0.2) as redis:
        # On a busy machine the first connection alone may take longer than that.
        await eventually(lambda: answers(redis))
        proxy.freeze()

        started_at = time.monotonic()
        with pytest.raises(RedisUnavailable):
            await redis.run(Call(("PING",)))
        assert time.monotonic() - started_at > 0.19

        started_at = time.monotonic()
        for _ in range(20):
            with pytest.raises(RedisUnavailable):
                await redis.run(Call(("PING",)))
        assert time.monotonic() - started_at < 2  # and not twenty timeouts

        proxy.thaw()
        await until_back(redis)
        assert await redis.run(Call(("PING",))) == [b"PONG"]


async def test_a_redis_that_restarts_is_used_again(proxy: Proxy) -> None:
    async with redis_at(proxy.url) as redis:
        await asyncio.gather(*(redis.run(Call(("PING",))) for _ in range(20)))
        proxy.refuse()
        with pytest.raises(RedisUnavailable):
            await redis.run(Call(("PING",)))

        proxy.thaw()
        await until_back(redis)
        assert await asyncio.gather(*(redis.run(Call(("PING",))) for _ in range(20))) == [[b"PONG"]] * 20


async def test_a_request_that_gives_up_leaves_its_reply_to_nobody(proxy: Proxy) -> None:
    async with redis_at(proxy.url, max_connections=1, timeout_seconds=5) as redis:
        await redis.run(Call(("PING",)))
        proxy.freeze()
        gives_up = asyncio.create_task(redis.run(Call(("ECHO", "first")), Call(("ECHO", "second"))))

        async def under_way() -> bool:
            return redis.connections_in_use == 1

        await eventually(under_way)
        gives_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gives_up
        proxy.thaw()

        assert await redis.run(Call(("ECHO", "third"))) == [b"third"]
        assert redis.connections_in_use == 0


async def test_callers_wait_for_a_connection_rather_than_open_more(proxy: Proxy) -> None:
    async with redis_at(proxy.url, max_connections=5, timeout_seconds=10) as redis:
        large = [str(n).encode() * 65_536 for n in range(10, 30)]
        calls = [asyncio.create_task(redis.run(Call(("ECHO", word), alone=True))) for word in large]

        assert await asyncio.gather(*calls) == [[word] for word in large]
        assert proxy.most_connections == 5
        assert redis.connections_in_use == 0


async def test_what_is_asked_in_one_turn_goes_one_way_and_each_has_its_own_replies(proxy: Proxy) -> None:
    async with redis_at(proxy.url, timeout_seconds=10) as redis:
        calls = [asyncio.create_task(redis.run(Call(("ECHO", n)), Call(("ECHO", -n)))) for n in range(200)]

        assert await asyncio.gather(*calls) == [[str(n).encode(), str(-n).encode()] for n in range(200)]
        assert proxy.most_connections == 1


async def test_one_that_is_refused_or_gives_up_takes_nobody_along(cache_url: str) -> None:
    async with redis_at(cache_url, timeout_seconds=10) as redis:
        good, refused, gives_up, last = (
            asyncio.create_task(redis.run(call))
            for call in (Call(("ECHO", 1)), Call(("NONSENSE",)), Call(("ECHO", 2)), Call(("ECHO", 3)))
        )
        await asyncio.sleep(0)
        gives_up.cancel()

        assert await good == [b"1"]
        assert await last == [b"3"]
        with pytest.raises(RedisUnavailable):
            await refused
        with pytest.raises(asyncio.CancelledError):
            await gives_up


async def test_a_word_that_cannot_be_sent_is_its_askers_own_mistake(cache_url: str) -> None:
    async with redis_at(cache_url, timeout_seconds=10) as redis:
        good, wrong, last = (asyncio.create_task(redis.run(Call(("ECHO", word)))) for word in ("a", "\udc80", "b"))

        assert await good == [b"a"]
        assert await last == [b"b"]
        with pytest.raises(UnicodeEncodeError):
            await wrong


def test_an_idle_connection_that_was_reset_costs_a_fallback_and_hangs_nobody() -> None:
    """On the event loop that services run on, which has words of its own for it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(_asked_after_a_reset()) == "the fallback"


async def _asked_after_a_reset() -> str:
    accepted: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        while commands := await reader.read(1024):
            writer.write(b"+PONG\r\n" * commands.count(b"*"))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with redis_at(f"redis://127.0.0.1:{port}/0", timeout_seconds=5) as redis:
            assert await redis.run(Call(("PING",))) == [b"PONG"]
            [there] = accepted
            socket_of = there.get_extra_info("socket")
            socket_of.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )  # a reset, and no goodbye
            there.transport.abort()
            await there.wait_closed()
            async with asyncio.timeout(5):
                (answer,) = await redis.run_or_fall_back(
                    CallWithFallback(Call(("PING",)), lambda _: "an answer", lambda: "the fallback")
                )
    return answer


async def test_a_command_that_redis_refuses_does_not_open_the_breaker(cache_url: str) -> None:
    async with redis_at(cache_url) as redis:
        await redis.run(Call(("SET", "text", "x")))

        with pytest.raises(RedisUnavailable, match="not an integer"):
            await redis.run(Call(("INCR", "text")))
        assert not redis.unavailable


async def test_each_question_falls_back_by_itself(proxy: Proxy) -> None:
    refused = CallWithFallback(Call(("NONSENSE",)), decode=lambda _: "decoded", fallback=lambda: "first fallback")
    fine = CallWithFallback(Call(("ECHO", "x")), decode=lambda reply: reply, fallback=lambda: b"second fallback")
    async with redis_at(proxy.url) as redis:
        assert await redis.run_or_fall_back(refused, fine) == ("first fallback", b"x")

        proxy.refuse()
        assert await redis.run_or_fall_back(refused, fine) == ("first fallback", b"second fallback")


async def test_a_ping_asks_even_while_the_breaker_is_open(proxy: Proxy) -> None:
    async with redis_at(proxy.url, probe_seconds=60) as redis:
        proxy.refuse()
        with pytest.raises(RedisUnavailable):
            await redis.run(Call(("PING",)))
        with pytest.raises(RedisUnavailable):
            await redis.ping()

        proxy.thaw()
        await redis.ping()
