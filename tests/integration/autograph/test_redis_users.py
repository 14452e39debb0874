"""Each service does all that it does in Redis as a user of its own, and none gets at what is not its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis as RedisClient
from redis.exceptions import ResponseError

from autograph.credentials import service_environment
from autograph.doctor import redis as doctor
from autograph.installation import Installation
from autograph.redis_users import apply_redis
from chassis.announcements import Announcer, announced
from chassis.bus.quarantine import Mark
from chassis.cache import CacheMember, CacheReader, Entry, Hit
from chassis.delivery_marks import RedisMarks
from chassis.health import Health
from chassis.inflight import InFlight
from chassis.limits import Charge, RateLimitPolicy, RateLimits
from chassis.redis import Redis, RedisUnavailable
from compose.local.service_users import REDIS_SERVICES, redis_user
from compose.local.stack import Servers
from gateway.assembly import CACHE_OWNERS
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET
from tests.integration.chassis.cache_scene import FAST

WORKERS = {"auth": "session", "diagram": "diagram"}  # and the kind of entry that each invalidates


@pytest.fixture
async def found(servers: Servers, redis_url: str) -> AsyncIterator[Installation]:
    """With the services' users, in a database of Redis of its own, empty."""
    found = Installation(replace(servers, redis_url=redis_url, redis_service_users=True), INSTALLATION_SECRET)
    async with RedisClient.from_url(redis_url) as client:
        await client.flushdb()
        await apply_redis(found)
        await client.execute_command("ACL", "LOG", "RESET")  # type: ignore[no-untyped-call]
        yield found
        await client.flushdb()


def url_of(found: Installation, service: str) -> str:
    return service_environment(found.servers, found.secret, service)["AUTOGRAPH_REDIS_URL"]


@asynccontextmanager
async def redis_of(found: Installation, service: str) -> AsyncIterator[Redis]:
    redis = Redis(url_of(found, service), timeout_seconds=5)
    try:
        yield redis
    finally:
        await redis.close()


@asynccontextmanager
async def member_of(
    found: Installation, admin_url: str, worker: str, *, leaves: bool = True
) -> AsyncIterator[CacheMember]:
    async with redis_of(found, worker) as redis, asyncpg.create_pool(admin_url, min_size=1, max_size=4) as pool:
        member = CacheMember(redis, pool, worker, timing=FAST)
        await member.join()
        try:
            yield member
        finally:
            if leaves:
                await member.leave()
            else:  # as if it was killed
                for task in member._tasks:
                    task.cancel()


async def test_each_worker_marks_what_it_handles_alone_and_touches_no_others_mark(found: Installation) -> None:
    async with redis_of(found, "auth") as auth, redis_of(found, "diagram") as diagram:
        for service, redis in (("auth", auth), ("diagram", diagram)):
            marks = RedisMarks(redis, service)
            assert await marks.set("one") is Mark.SET
            assert await marks.set("one") is Mark.OWNED
            await marks.remove("one")
            assert await marks.set("one") is Mark.SET
            later = RedisMarks(redis, service, live_mark_seconds=0.0)
            assert [await later.set("one") for _ in range(2)] == [Mark.SET, Mark.LEFT]
        for redis, other in ((auth, "diagram"), (diagram, "auth")):
            with pytest.raises(RedisUnavailable, match="No permissions"):
                await RedisMarks(redis, other).remove("one")


async def kept(reader: CacheReader, entry: Entry, value: bytes) -> None:
    async def is_kept() -> bool:
        [miss] = await reader.read(entry)
        return isinstance(miss, Hit) or await reader.fill(miss, value, ttl_seconds=60)

    await eventually(is_kept)


async def test_each_service_does_all_that_it_does_as_its_own_user(found: Installation, admin_url: str) -> None:
    async with redis_of(found, "gateway") as redis:
        reader = CacheReader(redis, CACHE_OWNERS)
        for worker, kind in WORKERS.items():
            entry = Entry(f"{kind}/{uuid4()}", "ada")
            async with member_of(found, admin_url, worker, leaves=False):
                await kept(reader, entry, b"old")
            async with member_of(found, admin_url, worker) as member:  # removes the one that is gone
                await kept(reader, entry, b"new")
                await member.invalidate([entry.name])
                assert not isinstance((await reader.read(entry))[0], Hit)
        await redis.ping()
        limits, marks = RateLimits(redis), InFlight(redis)
        charge = Charge(RateLimitPolicy("tries", 2, 60), "ada")
        assert (await limits.count(charge)).usages[0].remaining == 1
        await limits.refund(charge)
        assert (await limits.peek(charge)).usages[0].remaining == 2
        await limits.reset(charge)
        assert await marks.acquire("key", "one", ttl_seconds=5)
        await marks.release("key", "one")
        assert not redis.unavailable
    for service in ("gateway", *WORKERS):
        async with redis_of(found, service) as redis:
            await Announcer(redis, service, "1", Health("1"), CollectorRegistry()).announce()
    async with redis_of(found, "gateway") as redis:
        assert [len(found) for found in (await announced(redis, ("gateway", *WORKERS))).values()] == [1, 1, 1]

    assert await denied(found) == []
    assert await doctor.check(found) == []


async def denied(found: Installation) -> list[str]:
    """What the server has refused our users."""
    async with RedisClient.from_url(found.servers.redis_url) as client:
        log = await client.acl_log()
    ours = {redis_user(service) for service in REDIS_SERVICES}
    return [f"{entry['username']}: {entry['object']}" for entry in log if entry["username"] in ours]


REFUSED = "(?i)no permissions|ACL failure in script|DEBUG command not allowed"
SESSION, DIAGRAM = "c:epoch:session/1", "c:epoch:diagram/1"
READS = [
    ["GET", "{}"],
    ["HGET", "{}", ""],
    ["HGETALL", "{}"],
    ["EVAL", "return redis.call('HGETALL', ARGV[1])", "0", "{}"],
]
ADMINISTRATORS = [
    ["KEYS", "*"], ["SCAN", "0"], ["CONFIG", "GET", "*"], ["CONFIG", "SET", "save", "1 1"], ["FLUSHALL"], ["FLUSHDB"],
    ["DEBUG", "SLEEP", "0"], ["ACL", "LIST"], ["ACL", "GETUSER", "default"], ["SCRIPT", "FLUSH"], ["SAVE"],
    ["SHUTDOWN"], ["REPLICAOF", "NO", "ONE"], ["MONITOR"], ["CLIENT", "LIST"], ["CLIENT", "KILL", "TYPE", "normal"],
    ["DUMP", "cache:epoch"],
    ["FUNCTION", "LIST"], ["RENAME", "cache:epoch", "l:x"], ["COPY", "c:epoch:session/1", "l:x"],
    ["EVAL", "return redis.call('KEYS', '*')", "0"], ["EVAL", "return redis.call('FLUSHALL')", "0"],
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "key"),
    [("diagram", SESSION), ("auth", DIAGRAM), ("diagram", DIAGRAM), ("auth", SESSION), ("auth", "l:sign_in:ada"),
     ("diagram", "f:key"), ("diagram", "g:epoch:session/1"), ("gateway", "others")],
)  # fmt: skip
async def test_no_service_reads_what_it_need_not(found: Installation, service: str, key: str) -> None:
    async with RedisClient.from_url(url_of(found, service)) as client:
        for command in READS:
            with pytest.raises(ResponseError, match=REFUSED):
                await client.execute_command(*(word.format(key) for word in command))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(("service", "key"), [("diagram", SESSION), ("auth", DIAGRAM), ("diagram", "l:sign_in:ada")])
async def test_no_worker_changes_what_is_another_services(found: Installation, service: str, key: str) -> None:
    async with RedisClient.from_url(url_of(found, service)) as client:
        for command in (["UNLINK", key], ["HSET", key, "ada", "forged"], ["SET", key, "forged"]):
            with pytest.raises(ResponseError, match=REFUSED):
                await client.execute_command(*command)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("service", REDIS_SERVICES)
async def test_no_service_is_an_administrator(found: Installation, service: str) -> None:
    async with RedisClient.from_url(url_of(found, service)) as client:
        for command in ADMINISTRATORS:
            with pytest.raises(ResponseError, match=REFUSED):
                await client.execute_command(*command)  # type: ignore[no-untyped-call]


async def test_the_doctor_says_which_service_redis_does_not_let_in_and_where_all_share_one_user(
    found: Installation,
) -> None:
    other = replace(found, servers=replace(found.servers, redis_service_users=False))
    assert [finding.code for finding in await doctor.check(other)] == ["redis_user_shared"]
    async with RedisClient.from_url(found.servers.redis_url) as client:
        await client.acl_deluser(redis_user("auth"))
        assert [finding.code for finding in await doctor.check(found)] == ["redis_user_missing"]
        await apply_redis(found)
    assert await doctor.check(found) == []
