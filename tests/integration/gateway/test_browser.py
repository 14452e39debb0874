"""Sign-in for browsers: tokens only in cookies, which count only from our own page."""

from http.cookies import Morsel, SimpleCookie
from typing import TypeVar
from uuid import uuid4

import aiohttp
import pytest
from pydantic import SecretStr

from contracts.auth.accounts import ChangeProfile, GetMe, User
from contracts.auth.sessions import InvalidRefreshToken, RefreshTokens, SignIn, SignOut, Tokens
from contracts.diagram.diagrams import GetDiagram
from contracts.message import Message
from gateway.browser import REMEMBERED_SECONDS
from gateway.own_page import ACCESS_COOKIE, RENEWAL_COOKIE
from tests.integration.gateway.scene import (
    DIAGRAM,
    LONG_AGO,
    SESSION,
    USER,
    WHOLE,
    Scene,
    access_token,
    open_scene,
    signed_in,
)

ME = User(id=USER, email="a@b", name=None, roles=("user",), email_verified=False, created_at=LONG_AGO)
SentT = TypeVar("SentT", bound=Message)
OWN = {"Sec-Fetch-Site": "same-origin", "X-AutoGraph-Page": "1"}
CREDENTIALS = {"email": "ada@example.org", "password": "correct horse battery"}


def with_cookie(**more: str) -> dict[str, str]:
    return {"Cookie": f"{ACCESS_COOKIE}={access_token()}", **OWN, **more}


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in with_cookie().items() if key != name}


def tokens() -> Tokens:
    return Tokens(access_token=access_token(), refresh_token=uuid4().hex, expires_in=3600, session_id=SESSION)


def sent(scene: Scene, kind: type[SentT]) -> list[SentT]:
    return [message for message in scene.sent() if isinstance(message, kind)]


def cookies_of(answer: aiohttp.ClientResponse) -> dict[str, "Morsel[str]"]:
    found: SimpleCookie = SimpleCookie()
    for line in answer.headers.getall("Set-Cookie", []):
        found.load(line)
    return dict(found)


async def test_a_sign_in_from_the_page_gives_cookies_that_no_script_reads_and_no_token_in_the_body(
    scene: Scene,
) -> None:
    given = tokens()
    scene.on(SignIn, given)
    async with scene.http.post("/api/auth/page/login", json=CREDENTIALS, headers=OWN) as answer:
        assert (answer.status, await answer.json()) == (200, {"session_id": str(SESSION), "expires_in": 3600})
        cookies = cookies_of(answer)
    assert {name: cookie.value for name, cookie in cookies.items()} == {
        ACCESS_COOKIE: given.access_token,
        RENEWAL_COOKIE: f"0.{given.refresh_token}",
    }
    for cookie in cookies.values():
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, True, "Strict", "/")
        assert (cookie["domain"], cookie["max-age"]) == ("", "")  # until the browser is closed


async def test_who_is_to_be_remembered_keeps_the_cookies_also_after_a_renewal(scene: Scene) -> None:
    scene.on(SignIn, tokens())
    renewed = tokens()
    scene.on(RefreshTokens, renewed)
    body = {**CREDENTIALS, "remember_me": True}
    async with scene.http.post("/api/auth/page/login", json=body, headers=OWN) as answer:
        first = cookies_of(answer)
    kept = {"Cookie": f"{RENEWAL_COOKIE}={first[RENEWAL_COOKIE].value}"}
    async with scene.http.post("/api/auth/page/refresh", headers={**OWN, **kept}) as answer:
        assert answer.status == 200
        second = cookies_of(answer)
    assert second[RENEWAL_COOKIE].value == f"1.{renewed.refresh_token}"
    assert {cookie["max-age"] for cookie in (*first.values(), *second.values())} == {str(REMEMBERED_SECONDS)}
    (message,) = sent(scene, RefreshTokens)
    assert isinstance(message.refresh_token, SecretStr)
    assert message.refresh_token.get_secret_value() == first[RENEWAL_COOKIE].value.removeprefix("1.")


async def test_the_cookie_of_the_page_is_worth_what_the_token_is(scene: Scene) -> None:
    scene.on(GetMe, ME)
    scene.on(ChangeProfile, ME)
    scene.on(GetDiagram, WHOLE)
    for headers in (signed_in(), with_cookie()):
        for method, path, body in (
            ("GET", "/api/auth/me", None),
            ("PATCH", "/api/auth/me", {"name": "Ada"}),
            ("GET", f"/api/diagrams/{DIAGRAM}", None),
        ):
            async with scene.http.request(method, path, json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(with_cookie(**{"Sec-Fetch-Site": "same-site"}), id="another port of the same host"),
        pytest.param(with_cookie(**{"Sec-Fetch-Site": "cross-site"}), id="another site"),
        pytest.param(with_cookie(**{"Sec-Fetch-Site": "none"}), id="an address that somebody typed"),
        pytest.param(without("Sec-Fetch-Site"), id="neither Fetch Metadata nor Origin"),
        pytest.param(without("Sec-Fetch-Site") | {"Origin": "http://127.0.0.1:1"}, id="an Origin of another port"),
        pytest.param(without("Sec-Fetch-Site") | {"Origin": "null"}, id="a sandboxed frame"),
        pytest.param(without("X-AutoGraph-Page"), id="no header of ours"),
    ],
)
async def test_a_cookie_changes_nothing_unless_our_own_page_sends_it(scene: Scene, headers: dict[str, str]) -> None:
    scene.on(ChangeProfile, ME)
    status, problem = await scene.problem("PATCH", "/api/auth/me", json={"name": "Mallory"}, headers=headers)
    assert (status, problem["code"]) == (403, "not_from_page")
    assert sent(scene, ChangeProfile) == []


async def test_a_cookie_reads_nothing_for_another_origin_but_needs_no_header_to_read(scene: Scene) -> None:
    scene.on(GetMe, ME)
    own = without("X-AutoGraph-Page")  # as an image or a download has it
    async with scene.http.get("/api/auth/me", headers=own) as answer:
        assert answer.status == 200
    for site in ("same-site", "cross-site", "none"):
        status, problem = await scene.problem("GET", "/api/auth/me", headers=own | {"Sec-Fetch-Site": site})
        assert (status, problem["code"]) == (403, "not_from_page")
    assert len(sent(scene, GetMe)) == 1


async def test_a_browser_without_fetch_metadata_is_known_by_its_origin() -> None:
    async with open_scene(public_url="https://graph.example.org") as scene:
        scene.on(ChangeProfile, ME)
        old = without("Sec-Fetch-Site")
        for origin, expected in (("https://graph.example.org", 200), ("https://graph.example.org:8443", 403)):
            headers = old | {"Origin": origin}
            async with scene.http.patch("/api/auth/me", json={"name": "Ada"}, headers=headers) as answer:
                assert answer.status == expected


@pytest.mark.parametrize("path", ["/api/auth/page/login", "/api/auth/page/refresh", "/api/auth/page/logout"])
async def test_no_other_page_signs_anybody_in_or_out(scene: Scene, path: str) -> None:
    for wrong in ({"Sec-Fetch-Site": "same-site"}, {"X-AutoGraph-Page": ""}):
        headers = {key: value for key, value in (with_cookie() | wrong).items() if value}
        status, problem = await scene.problem("POST", path, json=CREDENTIALS, headers=headers)
        assert (status, problem["code"]) == (403, "not_from_page")
    assert scene.sent() == []


async def test_a_token_in_the_authorization_header_comes_before_a_cookie(scene: Scene) -> None:
    scene.on(GetMe, ME)
    other_site = {"Cookie": f"{ACCESS_COOKIE}=worthless", "Sec-Fetch-Site": "cross-site"}
    async with scene.http.get("/api/auth/me", headers=signed_in(**other_site)) as answer:
        assert answer.status == 200


async def test_signing_out_removes_the_cookies_and_what_the_browser_kept_also_if_the_session_had_ended(
    scene: Scene,
) -> None:
    scene.on(SignOut, None)
    for ended in (False, True):
        if ended:
            scene.sessions.clear()
        async with scene.http.post("/api/auth/page/logout", headers=with_cookie()) as answer:
            assert answer.status == (401 if ended else 204)
            assert {name: cookie["max-age"] for name, cookie in cookies_of(answer).items()} == {
                ACCESS_COOKIE: "0",
                RENEWAL_COOKIE: "0",
            }
            assert answer.headers["Clear-Site-Data"] == '"storage"'
    assert len(sent(scene, SignOut)) == 1


async def test_a_renewal_that_is_refused_removes_the_cookies_and_keeps_the_drafts(scene: Scene) -> None:
    scene.on(RefreshTokens, InvalidRefreshToken())
    for cookie, count in ((f"{RENEWAL_COOKIE}=0.spent", 1), ("", 1), (f"{RENEWAL_COOKIE}=0.{'x' * 2_000}", 1)):
        headers = OWN | ({"Cookie": cookie} if cookie else {})
        async with scene.http.post("/api/auth/page/refresh", headers=headers) as answer:
            assert answer.status == 401
            assert {cookie["max-age"] for cookie in cookies_of(answer).values()} == {"0"}
            assert "Clear-Site-Data" not in answer.headers
        assert len(sent(scene, RefreshTokens)) == count


async def test_a_wrong_password_leaves_the_session_of_the_page_alone(scene: Scene) -> None:
    async with scene.http.post("/api/auth/page/login", json={"email": "a"}, headers=with_cookie()) as answer:
        assert answer.status == 422
        assert "Set-Cookie" not in answer.headers
