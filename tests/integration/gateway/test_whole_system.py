"""The edge on the real bus, with the real workers and the real cache."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis as RedisClient

from chassis.health import Health
from chassis.inflight import InFlight
from chassis.redis import Call, Redis
from contracts.diagram.diagrams import GetDiagram
from contracts.envelope import Actor, ActorKind
from gateway.assembly import assemble
from gateway.idempotency import message_id
from gateway.metrics import GatewayMetrics
from gateway.request_handler import MARK_SECONDS
from gateway.server import HttpServer
from tests.eventually import eventually
from tests.integration.chassis.proxy import Proxy
from tests.integration.gateway import scene as in_process
from tests.integration.gateway.local_system import PASSWORD, Gateway, LocalSystem, Person, signed_up

PLAN = {"title": "Plan", "type": "canvas", "canvas_data": {"elements": [{"id": "a"}]}}


@pytest.fixture
async def gateway(system: LocalSystem) -> AsyncIterator[Gateway]:
    async with system.gateway() as gateway:
        yield gateway


@pytest.fixture
async def http(gateway: Gateway) -> aiohttp.ClientSession:
    return gateway.http


@pytest.fixture
async def anna(http: aiohttp.ClientSession) -> Person:
    return await signed_up(http)


async def create(http: aiohttp.ClientSession, person: Person, **headers: str) -> tuple[int, dict[str, Any], Any]:
    async with http.post("/api/diagrams", json=PLAN, headers=person.headers(**headers)) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def made(http: aiohttp.ClientSession, person: Person, canvas: dict[str, Any] | None = None) -> str:
    document = PLAN if canvas is None else {**PLAN, "canvas_data": canvas}
    async with http.post("/api/diagrams", json=document, headers=person.headers()) as answer:
        assert answer.status == 201
        return str(answer.headers["Location"])


async def test_a_diagram_is_kept_and_comes_back_as_it_was(http: aiohttp.ClientSession, anna: Person) -> None:
    path = await made(http, anna)
    async with http.get(path, headers=anna.headers()) as answer:
        assert answer.status == 200
        document = await answer.json()
    assert {name: document[name] for name in PLAN} == PLAN


async def test_who_has_opened_a_diagram_finds_it_among_the_recent_ones(
    http: aiohttp.ClientSession, anna: Person
) -> None:
    path = await made(http, anna)
    async with http.post(f"{path}/views", headers=anna.headers()) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    query = {"view": "recent", "sort": "last_viewed_at"}
    async with http.get("/api/diagrams", params=query, headers=anna.headers()) as answer:
        (item,) = (await answer.json())["items"]
    assert item["view_count"] == 1
    async with http.post(f"{path[:-1]}{'1' if path[-1] == '0' else '0'}/views", headers=anna.headers()) as answer:
        assert answer.status == 404


async def test_a_read_that_was_cached_needs_no_bus_and_is_the_same(
    system: LocalSystem, http: aiohttp.ClientSession, anna: Person
) -> None:
    path = await made(http, anna)
    async with http.get(path, headers=anna.headers()) as answer:
        first, tag = await answer.read(), answer.headers["ETag"]
    asked = system.delivered("get_diagram")
    assert asked > 0
    for known, status, body in ((None, 200, first), (tag, 304, b"")):
        headers = anna.headers(**({"If-None-Match": known} if known else {}))
        async with http.get(path, headers=headers) as answer:
            assert (answer.status, answer.headers["ETag"], await answer.read()) == (status, tag, body)
    assert system.delivered("get_diagram") == asked


async def test_what_was_cached_compressed_is_told_to_who_takes_no_gzip_and_the_other_way_round(
    system: LocalSystem, http: aiohttp.ClientSession, anna: Person
) -> None:
    canvas = {"elements": [{"id": f"element {number}"} for number in range(5_000)]}
    for accepted in ("gzip", "identity"), ("identity", "gzip"):
        path = await made(http, anna, canvas)
        before = system.delivered("get_diagram")
        for accept in accepted:
            async with http.get(path, headers=anna.headers(**{"Accept-Encoding": accept})) as answer:
                assert (await answer.json())["canvas_data"] == canvas
                assert answer.headers["ETag"] == ('"1-gzip"' if accept == "gzip" else '"1"')
                assert answer.headers.get("Content-Encoding", "identity") == accept
        assert system.delivered("get_diagram") == before + 1


async def test_a_change_is_seen_by_every_gateway_once_it_was_told(
    system: LocalSystem, http: aiohttp.ClientSession, anna: Person
) -> None:
    path = await made(http, anna)
    async with system.gateway() as other:
        for number in range(1, 6):
            for reader in (http, other.http):  # both fill their readers' caches
                async with reader.get(path, headers=anna.headers()) as answer:
                    assert (await answer.json())["revision"] == number
            async with http.patch(
                path, json={"title": f"Plan {number}"}, headers=anna.headers(**{"If-Match": f'"{number}"'})
            ) as answer:
                assert answer.status == 200
                assert answer.headers["ETag"] == f'"{number + 1}"'


async def test_a_stale_change_is_refused_with_the_current_etag(http: aiohttp.ClientSession, anna: Person) -> None:
    path = await made(http, anna)
    for tag, status in (('"1"', 200), ('"1"', 412), ('W/"1"', 412), ('"1-gzip"', 412), ("*", 200), (None, 428)):
        headers = anna.headers(**({"If-Match": tag} if tag else {}))
        async with http.patch(path, json={"canvas_data": {"at": str(uuid4())}}, headers=headers) as answer:
            assert answer.status == status, tag
            if status == 412:
                assert answer.headers["ETag"] == '"2"'


async def test_another_s_diagram_is_not_there(http: aiohttp.ClientSession, anna: Person) -> None:
    path, bert = await made(http, anna), await signed_up(http)
    async with http.get(path, headers=anna.headers()):
        pass  # now it is cached, for Anna
    for method in ("GET", "PATCH", "DELETE"):
        async with http.request(
            method, path, json={"title": "b"} if method == "PATCH" else None, headers=bert.headers()
        ) as answer:
            assert answer.status == 404
            assert (await answer.json(content_type=None))["code"] == "diagram_not_found"


async def test_a_repeat_gets_the_first_outcome_and_another_request_a_refusal(
    system: LocalSystem, http: aiohttp.ClientSession, anna: Person
) -> None:
    key = {"Idempotency-Key": "my-first"}
    status, first, headers = await create(http, anna, **key)
    assert (status, "Idempotent-Replayed" in headers) == (201, False)
    async with system.gateway() as other:
        status, second, headers = await create(other.http, anna, **key)
    assert (status, headers["Idempotent-Replayed"], second) == (201, "true", first)
    assert headers["Location"] == f"/api/diagrams/{first['id']}"
    changed = PLAN | {"title": "Another"}
    async with http.post("/api/diagrams", json=changed, headers=anna.headers(**key)) as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["code"] == "idempotency_key_reused"
    async with http.get("/api/diagrams", headers=anna.headers()) as answer:
        assert (await answer.json())["total"] == 1


async def test_many_repeats_at_once_make_one_diagram(http: aiohttp.ClientSession, anna: Person) -> None:
    found = await asyncio.gather(*(create(http, anna, **{"Idempotency-Key": "storm"}) for _ in range(20)))
    assert {status for status, _, _ in found} <= {201, 409}
    assert len({document["id"] for status, document, _ in found if status == 201}) == 1
    async with http.get("/api/diagrams", headers=anna.headers()) as answer:
        assert (await answer.json())["total"] == 1


async def test_a_command_s_address_tells_how_it_ended(http: aiohttp.ClientSession, anna: Person) -> None:
    status, accepted, headers = await create(http, anna, Prefer="respond-async")
    assert (status, headers["Preference-Applied"]) == (202, "respond-async")

    async def succeeded() -> dict[str, Any] | None:
        async with http.get(accepted["command"], headers=anna.headers()) as answer:
            told: dict[str, Any] = await answer.json()
        return told if told["status"] == "succeeded" else None

    told = await eventually(succeeded)
    assert told is not None
    async with http.get(f"/api/diagrams/{told['outcome']['id']}", headers=anna.headers()) as answer:
        assert answer.status == 200
    bert = await signed_up(http)
    async with http.get(accepted["command"], headers=bert.headers()) as answer:
        assert answer.status == 404


async def test_a_sign_out_holds_at_every_gateway_at_once(
    system: LocalSystem, http: aiohttp.ClientSession, anna: Person
) -> None:
    async with system.gateway() as other:
        async with other.http.get("/api/auth/me", headers=anna.headers()) as answer:
            assert answer.status == 200
        async with http.post("/api/auth/logout", headers=anna.headers()) as answer:
            assert answer.status == 204
        for one in (other.http, http):
            async with one.get("/api/auth/me", headers=anna.headers()) as answer:
                assert answer.status == 401
                assert (await answer.json(content_type=None))["code"] == "session_ended"


async def test_identity_refuses_in_plain_words(http: aiohttp.ClientSession, anna: Person) -> None:
    for document, status, code in (
        ({"email": anna.email.upper(), "password": PASSWORD}, 409, "email_taken"),
        ({"email": "new@example.org", "password": "ä" * 513}, 422, "password_too_long"),
        ({"email": "new@example.org", "password": "iloveyou"}, 422, "password_too_common"),
        ({"email": "new@example.org", "password": "short"}, 422, "password_too_short"),
    ):
        async with http.post("/api/auth/register", json=document) as answer:
            assert answer.status == status
            assert (await answer.json(content_type=None))["code"] == code
    wrong = {"email": anna.email, "password": "wrong horse"}
    async with http.post("/api/auth/login", json=wrong) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (401, "invalid_credentials")


async def test_sessions_show_device_and_address_as_the_edge_saw_them(http: aiohttp.ClientSession, anna: Person) -> None:
    document = {"email": anna.email, "password": PASSWORD}
    async with http.post("/api/auth/login", json=document, headers={"User-Agent": "a browser"}) as answer:
        anna.tokens = await answer.json()
    async with http.get("/api/auth/sessions", headers=anna.headers()) as answer:
        newest = (await answer.json())["items"][0]
    assert (newest["device"], newest["address"], newest["current"]) == ("a browser", "127.0.0.1", True)


async def test_without_redis_the_edge_serves_on_and_a_sign_out_holds_when_it_is_back(system: LocalSystem) -> None:
    async with Proxy(system.redis_url) as proxy, system.gateway(redis_url=proxy.url) as cut_off:
        http = cut_off.http
        anna = await signed_up(http)
        path = await made(http, anna)
        async with http.get(path, headers=anna.headers()) as answer:
            assert answer.status == 200
        proxy.freeze()
        for _ in range(3):
            async with http.get(path, headers=anna.headers()) as answer:
                assert answer.status == 200
        async with system.gateway() as other, other.http.post("/api/auth/logout", headers=anna.headers()) as answer:
            assert answer.status == 204
        async with http.get(path, headers=anna.headers()) as answer:
            assert answer.status == 401
        proxy.thaw()

        async def is_back() -> bool:
            async with http.get("/health/ready") as answer:
                return bool((await answer.json())["status"] == "ok")

        await eventually(is_back)
        async with http.get(path, headers=anna.headers()) as answer:
            assert answer.status == 401


async def test_a_gateway_that_is_told_to_stop_answers_what_it_holds(system: LocalSystem) -> None:
    async with system.gateway() as draining:
        anna = await signed_up(draining.http)
        held = [asyncio.create_task(create(draining.http, anna)) for _ in range(10)]
        await eventually(lambda: _some_in_hand(draining))
        await draining.stop()
        assert [status for status, _, _ in await asyncio.gather(*held)] == [201] * 10


async def _some_in_hand(gateway: Gateway) -> bool:
    return bool(gateway.service.registry.get_sample_value("api_gateway_active_connections"))


class CountingRedis(Redis):
    trips = 0
    moved = 0  # bytes, of the longest text in a reply

    async def _exchange(self, calls: Sequence[Call]) -> list[Any]:
        self.trips += 1
        replies = await super()._exchange(calls)
        self.moved = max(self.moved, *map(_longest, replies))
        return replies


def _longest(reply: Any) -> int:
    if isinstance(reply, list):
        return max(map(_longest, reply), default=0)
    return len(reply) if isinstance(reply, bytes) else 0


@asynccontextmanager
async def counting_edge(system: LocalSystem) -> AsyncIterator[tuple[in_process.Scene, CountingRedis]]:
    """The workers hold the leases; the bus is the test's own."""
    registry, redis = CollectorRegistry(), CountingRedis(system.redis_url)
    buses: list[in_process.InProcessBus] = []

    def bus(seal: Any) -> in_process.InProcessBus:
        buses.append(in_process.InProcessBus(seal))
        return buses[0]

    gateway = assemble(
        in_process.settings(rate_limit_per_user=1_000, rate_limit_per_address=1_000),
        metrics=GatewayMetrics(registry), registry=registry, health=Health("test"), redis=redis, bus=bus,
    )  # fmt: skip
    listening = HttpServer(gateway.app, drain_seconds=5)
    await listening.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(listening.urls[0]) as http:
            scene = in_process.Scene(gateway, buses[0], listening, http, registry, Health("test"))
            in_process.answer_for_auth(scene)
            yield scene, redis
    finally:
        await listening.close()
        async with RedisClient.from_url(system.redis_url) as client:
            entries = [key async for key in client.scan_iter("[cg]:*") if str(in_process.SESSION).encode() in key]
            entries += [key async for key in client.scan_iter("[cg]:*") if str(in_process.DIAGRAM).encode() in key]
            await client.delete(*entries)
        await redis.close()


async def test_a_cached_read_takes_one_trip_to_redis_and_nothing_else(system: LocalSystem) -> None:
    """Session, limits and representation together."""
    async with counting_edge(system) as (scene, redis):
        scene.on(GetDiagram, in_process.WHOLE)
        path = f"/api/diagrams/{in_process.DIAGRAM}"
        for trips, messages in ((3, 2), (1, 0), (1, 0)):  # a miss: look, fill the session, fill the diagram
            before = redis.trips, len(scene.bus.sent)
            async with scene.http.get(path, headers=in_process.signed_in()) as answer:
                assert answer.status == 200
                assert '"user-reads";r=' in answer.headers["RateLimit"]
            assert (redis.trips - before[0], len(scene.bus.sent) - before[1]) == (trips, messages)


@pytest.mark.parametrize("accept", ["gzip", "identity"])
async def test_who_has_a_large_diagram_already_moves_nothing_of_it(system: LocalSystem, accept: str) -> None:
    """Not from the worker, and not from the cache: as plain text it is too large to be there."""
    large = in_process.WHOLE.model_copy(update={"note_content": "".join(str(uuid4()) for _ in range(30_000))})
    path = f"/api/diagrams/{in_process.DIAGRAM}"
    async with counting_edge(system) as (scene, redis):
        scene.on(GetDiagram, large)
        headers = in_process.signed_in(**{"Accept-Encoding": accept})
        async with scene.http.get(path, headers=headers) as answer:
            tag = answer.headers["ETag"]
            assert len(await answer.read()) > 1_000_000

        for known, status in ((f'"1", {tag}', 304), (f"W/{tag}", 304), ('"2"', 200)):
            redis.trips = redis.moved = 0
            asked = len(scene.bus.sent)
            async with scene.http.get(path, headers={**headers, "If-None-Match": known}) as answer:
                assert answer.status == status
                if status == 304:
                    assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (tag, "private, no-cache")
                    assert answer.headers["Vary"] == "Accept-Encoding"
                    assert (redis.trips, len(scene.bus.sent) - asked) == (1, 0)
                    assert redis.moved < 1_000


async def test_another_request_with_the_same_key_is_not_told_the_first_ones_outcome_by_its_address(
    http: aiohttp.ClientSession, anna: Person
) -> None:
    headers = anna.headers(**{"Idempotency-Key": "k", "Prefer": "respond-async"})
    ends = []
    for title in ("first", "second", "first"):
        async with http.post("/api/diagrams", json={"title": title, "type": "note"}, headers=headers) as answer:
            assert answer.status == 202
            location = answer.headers["Location"]

        async def ended(location: str = location) -> Any:
            async with http.get(location, headers=anna.headers()) as told:
                document = await told.json()
            return document if document["status"] != "accepted" else None

        ends.append(await eventually(ended))

    first, second, again = ends
    assert first["outcome"]["title"] == "first"
    assert (second["status"], second["problem"]["code"]) == ("failed", "idempotency_key_reused")
    assert again["outcome"] == first["outcome"]


async def test_an_address_that_names_no_request_is_nobodys(http: aiohttp.ClientSession, anna: Person) -> None:
    headers = anna.headers(Prefer="respond-async")
    async with http.post("/api/diagrams", json={"title": "Plan", "type": "note"}, headers=headers) as answer:
        location = answer.headers["Location"]
    async with http.get(f"{location}?request=nonsense", headers=anna.headers()) as told:
        assert told.status == 404


async def test_the_key_of_a_gateway_that_was_killed_is_soon_free_and_tells_what_was_done(
    system: LocalSystem, http: aiohttp.ClientSession, anna: Person
) -> None:
    """Nobody releases its mark, nor renews it."""
    status, first, _ = await create(http, anna, **{"Idempotency-Key": "killed"})
    assert status == 201
    actor = Actor(kind=ActorKind.USER, id=UUID(first["owner_id"]))
    redis = Redis(system.redis_url)
    key = str(message_id(actor, "POST", "/api/diagrams", "killed"))
    assert await InFlight(redis).acquire(key, "dead", ttl_seconds=MARK_SECONDS)

    async def answered() -> tuple[int, Any, Any] | None:
        found = await create(http, anna, **{"Idempotency-Key": "killed"})
        return None if found[0] == 409 else found

    assert await answered() is None
    found = await eventually(answered, within_seconds=2 * MARK_SECONDS)
    assert found is not None
    status, again, headers = found
    assert (status, again["id"], headers["Idempotent-Replayed"]) == (201, first["id"], "true")
    assert MARK_SECONDS <= 5
    await redis.close()


# As docs/content.md has it.
RESPELT = [
    (b'{"bb":1,"a":2}', b'{"a":2,"bb":1}'),
    (b'{ "a" : [ 1 ] }', b'{"a":[1]}'),
    (b'{"a":[1.50,1e3,1E5]}', b'{"a":[1.5,1000.0,100000.0]}'),
    (b'{"a":[-0,-0.0]}', b'{"a":[0,0.0]}'),
    (b'{"a":[1e-400,5e-324]}', b'{"a":[0.0,5e-324]}'),
    (b'{"a":0.1234567890123456789}', b'{"a":0.12345678901234568}'),
    (b'{"a":123456789012345678901234567890}', b'{"a":123456789012345678901234567890}'),
    (b'{"a":"\\u0041\\/"}', b'{"a":"A/"}'),
]


@pytest.mark.parametrize(("sent", "kept"), RESPELT, ids=lambda text: text.decode())
async def test_a_canvas_is_equal_by_value_and_respelt_as_the_docs_say(
    http: aiohttp.ClientSession, anna: Person, sent: bytes, kept: bytes
) -> None:
    body = b'{"title":"Plan","type":"canvas","canvas_data":%b}' % sent
    headers = anna.headers(**{"Content-Type": "application/json"})
    async with http.post("/api/diagrams", data=body, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        path = answer.headers["Location"]
    async with http.get(path, headers=anna.headers()) as answer:
        assert (await answer.read()).endswith(b'"canvas_data":%b}' % kept)
