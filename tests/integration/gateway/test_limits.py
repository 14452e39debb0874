"""Limits, counted here without Redis: what they count, whom they tell apart, what they say."""

import asyncio
from typing import Any

import pytest

from contracts.auth.accounts import ChangeProfile, GetMe, RegisterUser, User
from contracts.auth.sessions import GetKnownNetwork, InvalidCredentials, KnownNetwork, SignIn, Tokens
from contracts.diagram.diagrams import DiagramPage, ListDiagrams
from contracts.outcome import Outcome
from tests.eventually import eventually
from tests.integration.gateway.scene import LONG_AGO, SESSION, USER, Scene, access_token, open_scene, signed_in

ME = User(id=USER, email="a@b", name=None, roles=("user",), email_verified=False, created_at=LONG_AGO)
PAIR = Tokens(access_token="a", refresh_token="r", expires_in=3600, session_id=SESSION)
LOGIN = "/api/auth/login"
ANNA = {"email": "anna@example.org", "password": "wrong horse"}


async def test_a_user_has_so_many_requests_a_minute_and_every_answer_says_how_many_are_left() -> None:
    async with open_scene(rate_limit_per_user=3, rate_limit_per_address=100) as scene:
        scene.on(ChangeProfile, ME)
        for left in (2, 1, 0):
            async with scene.http.patch("/api/auth/me", json={"name": "Ada"}, headers=signed_in()) as answer:
                assert answer.status == 200
                assert answer.headers["RateLimit-Policy"] == '"user";q=3;w=60, "address";q=100;w=60'
                assert answer.headers["RateLimit"].startswith(f'"user";r={left};t=')
        async with scene.http.patch("/api/auth/me", json={"name": "Ada"}, headers=signed_in()) as answer:
            assert answer.status == 429
            assert 0 < int(answer.headers["Retry-After"]) <= 60
            assert answer.headers["RateLimit"].startswith('"user";r=0;t=')
            document = await answer.json(content_type=None)
        assert (document["code"], document["policy"]) == ("rate_limited", "user")
        assert document["detail"] == "Too many requests: 3 in 60 s for each user"
        assert len(scene.sent()) == 3
        assert scene.counted("api_gateway_rate_limit_exceeded_total", key_type="user") == 1


@pytest.mark.parametrize(("settings", "reads"), [({}, 12), ({"rate_limit_reads_per_user": 4}, 4)])
async def test_reads_have_a_limit_of_their_own_which_is_six_times_that_of_changes(
    settings: dict[str, int], reads: int
) -> None:
    async with open_scene(rate_limit_per_user=2, **settings) as scene:
        scene.on(GetMe, ME)
        scene.on(ChangeProfile, ME)
        for _ in range(2):
            async with scene.http.patch("/api/auth/me", json={"name": "Ada"}, headers=signed_in()) as answer:
                assert answer.status == 200
        for left in reversed(range(reads)):
            async with scene.http.get("/api/auth/me", headers=signed_in()) as answer:
                assert answer.status == 200
                assert answer.headers["RateLimit"].startswith(f'"user-reads";r={left};t=')
        status, problem = await scene.problem("GET", "/api/auth/me", headers=signed_in())
        assert (status, problem["policy"]) == (429, "user-reads")
        assert problem["detail"] == f"Too many reads: {reads} in 60 s for each user"


async def test_bad_requests_and_bad_tokens_count_as_any_other() -> None:
    async with open_scene(rate_limit_per_address=3) as scene:
        scene.on(ListDiagrams, DiagramPage(items=(), next_cursor=None, total=0))
        assert (await scene.problem("GET", "/api/diagrams?limit=many", headers=signed_in()))[0] == 422
        stale = {"Authorization": f"Bearer {access_token(exp=1)}"}
        assert (await scene.problem("GET", "/api/diagrams", headers=stale))[0] == 401
        assert (await scene.problem("POST", "/api/auth/register", data=b"{", headers={}))[0] == 415
        for path in ("/api/diagrams", "/api/auth/me"):
            status, problem = await scene.problem("GET", path, headers=stale)
            assert (status, problem["policy"]) == (429, "address")


async def test_the_system_itself_is_not_limited() -> None:
    async with open_scene(rate_limit_per_address=1) as scene:
        for _ in range(3):
            async with scene.http.get("/health/live") as answer:
                assert answer.status == 200
                assert "RateLimit" not in answer.headers


async def test_forwarded_addresses_are_believed_only_from_our_own_proxies() -> None:
    async def statuses(scene: Scene, *forwarded: list[tuple[str, str]]) -> list[int]:
        scene.on(SignIn, InvalidCredentials())
        found = []
        for headers in forwarded:
            async with scene.http.post(LOGIN, json=ANNA, headers=headers) as answer:
                found.append(answer.status)
        return found

    def by(*addresses: str) -> list[tuple[str, str]]:
        return [("X-Forwarded-For", address) for address in addresses]

    async with open_scene(rate_limit_per_address=1) as scene:
        assert await statuses(scene, by("192.0.2.1"), by("192.0.2.2")) == [401, 429]
    async with open_scene(rate_limit_per_address=1, trusted_proxies=1) as scene:
        assert await statuses(scene, by("192.0.2.1"), by("192.0.2.2"), by("192.0.2.1")) == [401, 401, 429]
    async with open_scene(rate_limit_per_address=1, trusted_proxies=1) as scene:
        # What the client wrote itself stands before what the proxy adds, in one line or in lines of their own.
        assert await statuses(scene, by("198.51.100.1, 192.0.2.1"), by("198.51.100.2", "192.0.2.1")) == [401, 429]
    async with open_scene(rate_limit_per_address=1, trusted_proxies=2) as scene:
        assert await statuses(scene, by("192.0.2.1, 10.0.0.1"), by("192.0.2.1, 10.0.0.2")) == [401, 429]
    async with open_scene(rate_limit_per_address=1, trusted_proxies=1) as scene:
        # As Azure and IIS write it: another port is the same client.
        assert await statuses(scene, by("192.0.2.1:50123"), by("192.0.2.2:50123"), by("192.0.2.1:7")) == [401, 401, 429]
    async with open_scene(rate_limit_per_address=1, trusted_proxies=1, forwarded_header="forwarded") as scene:
        told = [[("Forwarded", f'for="{node}";proto=https')] for node in ("192.0.2.1:5", "[2001:db8::1]", "192.0.2.1")]
        assert await statuses(scene, *told) == [401, 401, 429]
    async with open_scene(rate_limit_per_address=1, trusted_proxies=1) as scene:
        # One client has a /64 of IPv6 to itself.
        assert await statuses(scene, by("2001:db8::1"), by("2001:db8::2"), by("2001:db8:0:1::1")) == [401, 429, 401]


async def test_five_failed_sign_ins_of_an_account_from_an_address_and_then_no_more() -> None:
    async with open_scene(trusted_proxies=1) as scene:
        scene.on(SignIn, InvalidCredentials())
        for _ in range(5):
            status, problem = await scene.problem("POST", LOGIN, json=ANNA)
            assert (status, problem["code"]) == (401, "invalid_credentials")
        scene.on(SignIn, PAIR)
        for email in ("anna@example.org", "ANNA@example.org", "\uff41nna@example.org"):
            async with scene.http.post(LOGIN, json=ANNA | {"email": email}) as answer:
                assert answer.status == 429, email
                assert 0 < int(answer.headers["Retry-After"]) <= 900
                problem = await answer.json(content_type=None)
                assert problem["policy"] == "sign-in"
                again = f"try again in {answer.headers['Retry-After']} s"
                assert problem["detail"] == f"Too many failed sign-ins: {again}"
        assert len(scene.sent()) == 5
        # Nobody can lock Anna out, and nobody else is.
        from_elsewhere = {"X-Forwarded-For": "192.0.2.9"}
        for email, headers in (("bert@example.org", {}), ("anna@example.org", from_elsewhere)):
            async with scene.http.post(LOGIN, json=ANNA | {"email": email}, headers=headers) as answer:
                assert answer.status == 200


async def test_other_ways_to_write_one_address_are_no_other_account() -> None:
    """As the auth service tells accounts apart: letters and their marks in any order that means the same."""
    alpha, grave, iota = (
        "\N{GREEK SMALL LETTER ALPHA}",
        "\N{COMBINING GRAVE ACCENT}",
        "\N{COMBINING GREEK YPOGEGRAMMENI}",
    )
    async with open_scene(sign_in_attempts=1) as scene:
        scene.on(SignIn, InvalidCredentials())
        statuses = []
        for marked in (f"{alpha}{grave}{iota}", f"{alpha}{iota}{grave}"):
            async with scene.http.post(LOGIN, json=ANNA | {"email": f"{marked}@example.org"}) as answer:
                statuses.append(answer.status)
        assert statuses == [401, 429]


async def test_many_guesses_at_once_are_five_as_well() -> None:
    async with open_scene() as scene:
        scene.on(SignIn, InvalidCredentials())
        answers = await asyncio.gather(*(scene.problem("POST", LOGIN, json=ANNA) for _ in range(30)))
        assert sorted(status for status, _ in answers) == [401] * 5 + [429] * 25
        assert len(scene.sent()) == 5


async def test_a_success_clears_the_account_and_no_answer_is_no_failure() -> None:
    async with open_scene() as scene:
        scene.on(SignIn, InvalidCredentials())
        for _ in range(4):
            await scene.problem("POST", LOGIN, json=ANNA)
        scene.on(SignIn, PAIR)
        async with scene.http.post(LOGIN, json=ANNA) as answer:
            assert answer.status == 200
        scene.on(SignIn, Outcome.failed("unavailable", "Too busy"))
        for _ in range(10):
            assert (await scene.problem("POST", LOGIN, json=ANNA))[0] == 503
        scene.bus.away = True
        for _ in range(10):
            assert (await scene.problem("POST", LOGIN, json=ANNA))[0] == 503
        scene.bus.away = False
        scene.on(SignIn, InvalidCredentials())
        found = [(await scene.problem("POST", LOGIN, json=ANNA))[0] for _ in range(6)]
        assert found == [401] * 5 + [429]


async def test_the_edge_says_who_signs_in_from_where(scene: Scene) -> None:
    scene.on(SignIn, PAIR)
    await scene.http.post(LOGIN, json=ANNA, headers={"User-Agent": "a browser " + "x" * 600})
    message: Any = scene.sent()[0]
    assert message.device == ("a browser " + "x" * 600)[:500]
    assert message.address == "127.0.0.1"


def sent_from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def tries(scene: Scene, *tried: tuple[str, str]) -> list[int]:
    """Statuses of sign-ins, each with an account and an address."""
    found = []
    for account, address in tried:
        document = ANNA | {"email": f"{account}@example.org"}
        async with scene.http.post(LOGIN, json=document, headers=sent_from(address)) as answer:
            found.append(answer.status)
    return found


async def test_guesses_at_one_account_from_many_addresses_end() -> None:
    async with open_scene(trusted_proxies=1) as scene:
        scene.on(SignIn, InvalidCredentials())
        scene.on(GetKnownNetwork, KnownNetwork(known=False))
        guesses = [("anna", f"192.0.2.{number % 60}") for number in range(180)]
        assert (await tries(scene, *guesses)).count(401) == 20
        assert await tries(scene, ("bert", "192.0.2.1")) == [401], "nobody else is concerned"


async def test_an_account_under_attack_lets_in_whom_it_knows() -> None:
    async def known(query: Any, _: Any) -> KnownNetwork:
        return KnownNetwork(known=query.network == "198.51.100.7" and query.email == "anna@example.org")

    async with open_scene(trusted_proxies=1) as scene:
        scene.on(SignIn, InvalidCredentials())
        scene.bus.handlers[GetKnownNetwork] = known
        await tries(scene, *(("anna", f"192.0.2.{number}") for number in range(40)))
        assert await tries(scene, ("anna", "192.0.2.99")) == [429]
        assert await tries(scene, ("anna", "198.51.100.7")) == [401], "a wrong password of her own"
        scene.on(SignIn, PAIR)
        assert await tries(scene, ("anna", "192.0.2.99"), ("anna", "198.51.100.7")) == [429, 200]
        scene.on(SignIn, InvalidCredentials())
        # Who sits in a known network guesses no more than ever.
        found = await tries(scene, *[("anna", "198.51.100.7")] * 7)
        assert found == [401] * 5 + [429] * 2


async def test_guesses_at_many_accounts_from_one_address_end() -> None:
    async with open_scene(trusted_proxies=1) as scene:
        scene.on(SignIn, InvalidCredentials())
        scene.on(GetKnownNetwork, KnownNetwork(known=False))
        guesses = [(f"user{number}", "192.0.2.1") for number in range(300)]
        assert (await tries(scene, *guesses)).count(401) == 50


async def test_a_network_of_ipv6_is_no_way_round() -> None:
    async with open_scene(trusted_proxies=1) as scene:
        scene.on(SignIn, InvalidCredentials())
        scene.on(GetKnownNetwork, KnownNetwork(known=False))
        within_56 = [(f"user{number}", f"2001:db8:0:{number % 256:x}::1") for number in range(250)]
        assert (await tries(scene, *within_56)).count(401) == 100
        within_48 = [(f"other{number}", f"2001:db8:0:{256 + number * 200:x}::1") for number in range(250)]
        assert (await tries(scene, *within_48)).count(401) == 100


async def test_who_signs_in_is_no_guesser() -> None:
    """A network of many people, who each mistype once and then get it right."""
    async with open_scene(trusted_proxies=1, sign_in_failures_per_address=10) as scene:
        scene.on(SignIn, PAIR)
        assert set(await tries(scene, *((f"user{number}", "192.0.2.1") for number in range(100)))) == {200}


async def test_password_work_is_limited_for_an_address_and_registrations_in_all() -> None:
    async with open_scene(trusted_proxies=1, password_requests_per_address=10, registrations_in_all=15) as scene:
        scene.on(SignIn, PAIR)
        scene.on(RegisterUser, ME)

        async def registers(number: int, address: str) -> tuple[int, str | None]:
            document = {"email": f"user{number}@example.org", "password": "correct horse"}
            headers = {**sent_from(address), "Prefer": "respond-async"}
            async with scene.http.post("/api/auth/register", json=document, headers=headers) as answer:
                return answer.status, answer.headers.get("Retry-After")

        found = [await registers(number, "192.0.2.1") for number in range(400)]
        assert [status for status, _ in found].count(202) == 10
        assert all(int(after or 0) > 0 for status, after in found if status == 429)
        assert await tries(scene, ("anna", "192.0.2.1"), ("anna", "192.0.2.2")) == [429, 200]
        found = [await registers(1_000 + number, f"192.0.2.{number}") for number in range(50, 100)]
        assert [status for status, _ in found].count(202) == 5, "15 in all"
        assert await tries(scene, ("anna", "192.0.2.3")) == [200], "which leaves sign-ins alone"


async def test_one_address_has_a_share_of_the_places_for_password_work_and_others_the_rest() -> None:
    async with open_scene(trusted_proxies=1, max_password_requests=8) as scene:
        may_end = asyncio.Event()

        async def slow(_: Any, __: Any) -> Tokens:
            await may_end.wait()
            return PAIR

        scene.bus.handlers[SignIn] = slow

        def start(account: str, address: str) -> "asyncio.Task[list[int]]":
            return asyncio.create_task(tries(scene, (account, address)))

        floods = [start(f"user{number}", "192.0.2.1") for number in range(30)]
        await eventually(lambda: asyncio.sleep(0, sum(flood.done() for flood in floods) == 28))
        others = [start("anna", f"192.0.2.{number}") for number in range(2, 8)]
        await eventually(lambda: asyncio.sleep(0, len(scene.sent()) == 8))
        document = ANNA | {"email": "late@example.org"}
        async with scene.http.post(LOGIN, json=document, headers=sent_from("192.0.2.99")) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        refused = "api_gateway_rate_limit_exceeded_total"
        assert scene.counted(refused, key_type="passwords-at-once") == 28
        assert scene.counted(refused, key_type="passwords-in-all") == 1
        may_end.set()
        assert sorted([(await flood)[0] for flood in floods]) == [200] * 2 + [429] * 28
        assert [(await other)[0] for other in others] == [200] * 6
        assert await tries(scene, ("late", "192.0.2.99")) == [200], "places come back"
