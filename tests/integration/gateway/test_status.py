"""The state of the installation, as administrators see it: on the real servers, and with some of them away."""

from typing import Any

import aiohttp
import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from autograph.operator_requests import send_request_async
from chassis.announcements import Announcement, Announcer, announced
from chassis.health import Health
from chassis.redis import Call, Redis, RedisUnavailable
from contracts.auth.operator import AccountState, SetAdministrator
from contracts.version import VERSION
from gateway.status import StatusReport, SystemStatus
from tests.eventually import eventually
from tests.integration.gateway.local_system import LocalSystem, Person, signed_up
from tests.integration.gateway.scene import NOBODY_LISTENS, SESSION, Scene, signed_in

STATUS = "/api/admin/status"


async def set_administrator(system: LocalSystem, user_id: Any, *, administrator: bool) -> None:
    command = SetAdministrator(user_id=user_id, administrator=administrator)
    await send_request_async(system.installation, command, AccountState)


async def id_and_roles(http: aiohttp.ClientSession, person: Person) -> tuple[Any, list[str]]:
    async with http.get("/api/auth/me", headers=person.headers()) as answer:
        document = await answer.json()
    return document["id"], document["roles"]


async def administrator(system: LocalSystem, http: aiohttp.ClientSession) -> Person:
    person = await signed_up(http)
    user_id, _ = await id_and_roles(http, person)
    await set_administrator(system, user_id, administrator=True)
    return person


async def asked(http: aiohttp.ClientSession, person: Person) -> SystemStatus:
    async with http.get(STATUS, headers=person.headers()) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Cache-Control"] == "no-store"
        return SystemStatus.model_validate_json(await answer.read())


def states(status: SystemStatus) -> dict[str, tuple[str, str]]:
    return {part.name: (part.state, part.code) for part in status.parts}


ALL_WELL = dict.fromkeys(
    ("gateway", "auth", "diagram", "broker", "redis", "postgres", "objects", "parked", "jobs"), ("ok", "ok")
)


@pytest.mark.slow("waits for each process to look after its servers")
async def test_an_administrator_sees_every_part_and_every_process(system: LocalSystem) -> None:
    async with system.gateway() as one:
        person = await administrator(system, one.http)
        async with system.gateway():

            async def all_well() -> SystemStatus | None:
                status = await asked(one.http, person)
                return status if states(status) == ALL_WELL and len(status.parts[0].processes) == 2 else None

            status = await eventually(all_well, within_seconds=60)
            assert status is not None
        assert (status.state, status.release) == ("ok", VERSION)
        parts = {part.name: part for part in status.parts}
        for name in ("gateway", "auth", "diagram"):
            for process in parts[name].processes:
                assert (process.release, process.failing) == (VERSION, ())
                assert process.uptime_seconds >= 0
        assert parts["diagram"].numbers["consumers"] >= 4
        assert parts["diagram"].numbers["messages_waiting"] == 0
        assert parts["jobs"].numbers["jobs_failed"] == 0
        (gateway, *_) = (await asked(one.http, person)).parts
        assert len(gateway.processes) == 1  # the other said that it goes


async def test_the_operator_s_word_counts_at_once_at_every_gateway(system: LocalSystem) -> None:
    async with system.gateway() as one, system.gateway() as other:
        person = await signed_up(one.http)
        user_id, _ = await id_and_roles(one.http, person)

        async def seen() -> list[int]:
            found = []
            for gateway in (one, other):
                async with gateway.http.get(STATUS, headers=person.headers()) as answer:
                    found.append(answer.status)
            return found

        assert await seen() == [403, 403]
        for administrator, status, roles in (
            (True, 200, ["user", "admin"]), (True, 200, ["user", "admin"]), (False, 403, ["user"]),
        ):  # fmt: skip
            await set_administrator(system, user_id, administrator=administrator)
            assert await seen() == [status, status]
            assert await id_and_roles(other.http, person) == (user_id, roles)
    connection = await asyncpg.connect(system.database_url)
    try:
        rows = await connection.fetch(
            "SELECT detail ->> 'administrator' AS said FROM auth.audit_log"
            " WHERE subject = $1 AND action = 'auth.set_administrator' ORDER BY position",
            f"user/{user_id}",
        )
    finally:
        await connection.close()
    assert [row["said"] for row in rows] == ["1", "1", "0"]


async def test_without_redis_the_broker_still_tells_who_works(system: LocalSystem) -> None:
    async with system.gateway(redis_url=NOBODY_LISTENS) as gateway:
        status = await asked(gateway.http, await administrator(system, gateway.http))

    found = states(status)
    assert status.state == "degraded"
    assert (found["redis"], found["broker"]) == (("away", "unreachable"), ("ok", "ok"))
    assert found["auth"] == found["diagram"] == ("ok", "ok")  # their queues are consumed
    assert found["postgres"] == found["jobs"] == found["gateway"] == ("unknown", "not_known")


async def test_a_parked_message_is_told(system: LocalSystem) -> None:
    async def queues(names: Any) -> dict[str, tuple[int, int] | None]:
        return {name: (3, 0) if name == "auth.parked" else (0, 1) for name in names}

    redis = Redis(system.redis_url)
    try:
        status = await StatusReport(redis, Health("test"), queues).status()
    finally:
        await redis.close()

    parked = next(part for part in status.parts if part.name == "parked")
    assert (parked.state, parked.code, parked.numbers) == (
        "degraded", "messages_parked", {"messages": 3, "auth": 3, "diagram": 0},
    )  # fmt: skip


async def test_a_worker_whose_queues_nobody_takes_is_away() -> None:
    async def queues(names: Any) -> dict[str, tuple[int, int] | None]:
        return {name: (7, 0) if name.startswith("diagram.") else (0, 1) for name in names}

    redis = Redis(NOBODY_LISTENS)
    try:
        status = await StatusReport(redis, Health("test"), queues).status()
    finally:
        await redis.close()

    diagram = next(part for part in status.parts if part.name == "diagram")
    assert (diagram.state, diagram.code) == ("away", "no_process")
    assert diagram.numbers["messages_waiting"] >= 7


async def test_nobody_else_sees_it(scene: Scene) -> None:
    for roles, status in ((("user",), 403), (("user", "administrator"), 403), (("user", "admin"), 200)):
        scene.sessions[SESSION] = scene.sessions[SESSION].model_copy(update={"roles": roles})
        async with scene.http.get(STATUS, headers=signed_in()) as answer:
            assert answer.status == status
    async with scene.http.get(STATUS) as answer:
        assert answer.status == 401


async def test_what_is_old_or_of_an_unknown_form_is_left_out(system: LocalSystem) -> None:
    redis = Redis(system.redis_url)
    try:
        health = Health("9.9")
        announcer = Announcer(redis, "gateway", "9.9", health, system.diagram.registry)
        await announcer.announce()
        ((seconds, _),) = await redis.run(Call(("TIME",)))
        old = announcer.current().model_copy(update={"id": "old"}).model_dump_json()
        await redis.run(
            Call(("HSET", "status:gateway", "old", f"{(int(seconds) - 30) * 1000} {old}")),
            Call(("HSET", "status:gateway", "odd", "x")),
            Call(("HSET", "status:gateway", "odder", f"{int(seconds) * 1000} []")),
        )

        found = {one.id: one for one in (await announced(redis, ("gateway",)))["gateway"]}

        assert announcer.current().id in found
        assert not {"old", "odd", "odder"} & found.keys()
        own: Announcement = found[announcer.current().id]
        assert (own.release, own.state) == ("9.9", "starting")
        await announcer.announce()  # which removes what is older than a minute, and what is no time
        assert await redis.run(Call(("HEXISTS", "status:gateway", "odd"))) == [0]
        await announcer.leave()
        assert own.id not in {one.id for one in (await announced(redis, ("gateway",)))["gateway"]}
        await redis.run(Call(("HDEL", "status:gateway", "old", "odder")))
    finally:
        await redis.close()


async def test_an_announcement_that_redis_does_not_take_is_no_failure() -> None:
    redis = Redis(NOBODY_LISTENS)
    announcer = Announcer(redis, "gateway", "1", Health("1"), CollectorRegistry())
    await announcer.announce()
    await announcer.leave()
    with pytest.raises(RedisUnavailable):
        await announced(redis, ("gateway",))
    await redis.close()
