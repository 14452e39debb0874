"""Who may come in: each bad token has its code, and sends no message."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.auth.accounts import GetMe, User
from contracts.auth.keys import GetPublicKeys
from contracts.auth.sessions import GetLiveSession, LiveSession, RefreshTokens, SignOut, Tokens
from contracts.outcome import Outcome
from gateway.api.table import ENDPOINTS
from tests.integration.gateway.scene import (
    LONG_AGO,
    PUBLIC_KEYS,
    SESSION,
    SIGNING,
    USER,
    Scene,
    access_token,
    open_scene,
    signed_in,
)

ME = User(id=USER, email="a@b", name=None, roles=("user",), email_verified=False, created_at=LONG_AGO)
HMAC_SECRET = "a secret of somebody else's, long enough"


def unsigned() -> str:
    claims = jwt.decode(access_token(), options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none", headers={"kid": "sig", "typ": "at+jwt"})


def tampered() -> str:
    header, payload, signature = access_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["roles"] = ["admin"]
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{forged}.{signature}"


@dataclass(frozen=True)
class Case:
    name: str
    authorization: str | None
    code: str


def bearer(token: str) -> str:
    return f"Bearer {token}"


CASES = [
    Case("none", None, "unauthenticated"),
    Case("another scheme", "Basic YTpi", "unauthenticated"),
    Case("a scheme only", "Bearer", "unauthenticated"),
    Case("no token", bearer("not.a.token"), "invalid_token"),
    Case("an API key, which nobody has yet", bearer("ag_0123456789"), "invalid_token"),
    Case("far too long", bearer("a" * 8_100), "invalid_token"),
    Case("alg none", bearer(unsigned()), "token_algorithm"),
    Case("a secret for a key", bearer(access_token(key=HMAC_SECRET, algorithm="HS256")), "token_algorithm"),
    Case("another kind of token", bearer(access_token(headers={"typ": "JWT"})), "token_algorithm"),
    Case("an unknown key", bearer(access_token(headers={"kid": "theirs"})), "token_key_unknown"),
    Case("a sealing key's name", bearer(access_token(headers={"kid": "box"})), "token_key_unknown"),
    Case("another's key under our name", bearer(access_token(key=Ed25519PrivateKey.generate())), "token_signature"),
    Case("other claims than were signed", bearer(tampered()), "token_signature"),
    Case("expired", bearer(access_token(exp=1)), "token_expired"),
    Case("not yet", bearer(access_token(nbf=4_000_000_000)), "invalid_token"),
    Case("another issuer", bearer(access_token(iss="elsewhere")), "invalid_token"),
    Case("another audience", bearer(access_token(aud="elsewhere")), "invalid_token"),
    Case("no end", bearer(access_token(without="exp")), "invalid_token"),
    Case("no session", bearer(access_token(without="sid")), "invalid_token"),
    Case("nobody's id", bearer(access_token(sub="anna")), "invalid_token"),
    Case("another's session", bearer(access_token(sub=str(SESSION))), "session_ended"),
    Case("a session that is over", bearer(access_token(sid=str(USER))), "session_ended"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_bad_token_is_refused_with_its_reason(scene: Scene, case: Case) -> None:
    scene.on(GetMe, ME)
    headers = {"Authorization": case.authorization} if case.authorization else {}
    async with scene.http.get("/api/auth/me", headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert (await answer.json(content_type=None))["code"] == case.code
    assert scene.sent() == []


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if not row.public], ids=lambda row: row.request.__name__)
async def test_whatever_is_not_public_is_refused_without_a_token(scene: Scene, endpoint: Any) -> None:
    path = endpoint.path.format(id=SESSION, session_id=SESSION, number=1)
    own_page = {"Sec-Fetch-Site": "same-origin", "X-AutoGraph-Page": "1"} if endpoint.from_page else {}
    async with scene.http.request(endpoint.method, path, headers=own_page) as answer:
        status, problem = answer.status, await answer.json(content_type=None)
    assert (status, problem["code"]) == (401, "unauthenticated")
    assert scene.bus.sent == []


async def test_a_good_token_acts_for_its_user_in_its_session(scene: Scene) -> None:
    scene.on(GetMe, ME)
    async with scene.http.get("/api/auth/me", headers=signed_in()) as answer:
        assert answer.status == 200
        assert (await answer.json())["id"] == str(USER)
    (envelope,) = scene.envelopes()
    assert str(envelope.actor) == f"user/{USER}?session={SESSION}&roles=user"
    assert envelope.source == "/gateway"
    assert envelope.deadline is not None
    assert envelope.deadline > datetime.now(UTC)
    assert envelope.partitionkey == str(USER)


async def test_rights_are_those_of_the_session_and_not_of_an_hour_ago(scene: Scene) -> None:
    scene.on(GetMe, ME)
    lives = scene.sessions[SESSION]
    scene.sessions[SESSION] = LiveSession(**lives.model_dump() | {"roles": ("user", "admin")})
    await scene.http.get("/api/auth/me", headers=signed_in())
    assert scene.envelopes()[0].actor.roles == ("user", "admin")


async def test_whether_the_session_lives_is_asked_at_every_request(scene: Scene) -> None:
    scene.on(GetMe, ME)
    headers = signed_in()
    async with scene.http.get("/api/auth/me", headers=headers) as answer:
        assert answer.status == 200
    del scene.sessions[SESSION]
    status, problem = await scene.problem("GET", "/api/auth/me", headers=headers)
    assert (status, problem["code"]) == (401, "session_ended")


async def test_a_remembered_verdict_ends_with_its_token(scene: Scene) -> None:
    """The signature is checked once; its end is looked at each time."""
    scene.on(GetMe, ME)
    now = datetime.now(UTC).timestamp()
    tokens = scene.gateway.tokens
    claims = await tokens.verify(token := access_token(exp=int(now) + 60))
    assert await tokens.verify(token) is claims
    tokens.clock = lambda: now + 91  # leeway 30 s
    status, problem = await scene.problem("GET", "/api/auth/me", headers={"Authorization": bearer(token)})
    assert (status, problem["code"]) == (401, "token_expired")


async def test_a_stale_token_does_not_keep_anybody_from_fetching_a_new_one(scene: Scene) -> None:
    pair = Tokens(access_token="a", refresh_token="r", expires_in=3600, session_id=SESSION)
    scene.on(RefreshTokens, pair)
    headers = {"Authorization": bearer(access_token(exp=1))}
    async with scene.http.post("/api/auth/refresh", json={"refresh_token": "spent"}, headers=headers) as answer:
        assert answer.status == 200
    assert scene.envelopes()[0].actor.kind == "anonymous"


async def test_a_new_key_is_fetched_when_its_first_token_comes_and_forgeries_do_not_ask_again(scene: Scene) -> None:
    asked = 0
    new = Ed25519PrivateKey.generate()
    raw = base64.urlsafe_b64encode(new.public_key().public_bytes_raw()).decode().rstrip("=")
    known = [PUBLIC_KEYS]

    async def keys(_query: Any, _envelope: Any) -> Any:
        nonlocal asked
        asked += 1
        return known[-1]

    now = 1_000.0
    scene.bus.handlers[GetPublicKeys] = keys
    scene.gateway.keys.pace = lambda: now
    scene.on(GetMe, ME)
    async with scene.http.get("/api/auth/me", headers=signed_in()) as answer:
        assert answer.status == 200
    assert asked == 1
    newest = PUBLIC_KEYS.keys[0].model_copy(update={"id": "next", "key": raw})
    known.append(PUBLIC_KEYS.model_copy(update={"keys": (*PUBLIC_KEYS.keys, newest)}))
    now += 10
    by_new_key = {"Authorization": bearer(access_token(key=new, headers={"kid": "next"}))}
    async with scene.http.get("/api/auth/me", headers=by_new_key) as answer:
        assert answer.status == 200
    for number in range(20):
        now += 0.24
        forged = {"Authorization": bearer(access_token(headers={"kid": f"forged-{number}"}))}
        assert (await scene.problem("GET", "/api/auth/me", headers=forged))[0] == 401
    assert asked == 2


async def test_a_clock_that_is_set_back_keeps_nobody_from_hearing_of_a_new_key(scene: Scene) -> None:
    scene.on(GetMe, ME)
    now, passed = 10_000.0, 0.0
    scene.gateway.keys.clock, scene.gateway.keys.pace = lambda: now, lambda: passed
    async with scene.http.get("/api/auth/me", headers=signed_in()) as answer:
        assert answer.status == 200
    new = Ed25519PrivateKey.generate()
    raw = base64.urlsafe_b64encode(new.public_key().public_bytes_raw()).decode().rstrip("=")
    newest = PUBLIC_KEYS.keys[0].model_copy(update={"id": "next", "key": raw})
    scene.on(GetPublicKeys, PUBLIC_KEYS.model_copy(update={"keys": (*PUBLIC_KEYS.keys, newest)}))
    now -= 3_600
    passed += 60
    by_new_key = {"Authorization": bearer(access_token(key=new, headers={"kid": "next"}))}
    async with scene.http.get("/api/auth/me", headers=by_new_key) as answer:
        assert answer.status == 200


async def test_while_nobody_tells_the_keys_a_token_is_not_called_invalid(scene: Scene) -> None:
    """A client that is told 401 throws its token away."""
    del scene.bus.handlers[GetPublicKeys]
    status, problem = await scene.problem("GET", "/api/auth/me", headers=signed_in())
    assert (status, problem["code"]) == (503, "unavailable")
    async with scene.http.get("/.well-known/jwks.json") as answer:
        assert answer.status == 503


async def test_while_nobody_knows_whether_the_session_lives_nobody_comes_in(scene: Scene) -> None:
    scene.on(GetMe, ME)
    del scene.bus.handlers[GetLiveSession]
    status, problem = await scene.problem("GET", "/api/auth/me", headers=signed_in())
    assert (status, problem["code"]) == (504, "timeout")
    assert scene.sent() == []


async def test_the_key_set_shows_what_tokens_are_signed_with(scene: Scene) -> None:
    scene.on(SignOut, Outcome.succeeded(None))
    await scene.http.post("/api/auth/logout", headers=signed_in())
    async with scene.http.get("/.well-known/jwks.json") as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        (key,) = (await answer.json())["keys"]
    verified = jwt.decode(access_token(), jwt.PyJWK(key), algorithms=["EdDSA"], audience="autograph")
    assert UUID(verified["sub"]) == USER
    assert SIGNING.public_key().public_bytes_raw() == base64.urlsafe_b64decode(key["x"] + "=")


async def test_a_second_gateway_knows_the_same_tokens(scene: Scene) -> None:
    async with open_scene() as other:
        for one in (scene, other):
            one.on(GetMe, ME)
            async with one.http.get("/api/auth/me", headers=signed_in()) as answer:
                assert answer.status == 200
