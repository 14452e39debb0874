"""Refresh tokens: spent once, repeated honestly, and a theft ends the session."""

import asyncio
from datetime import timedelta
from uuid import UUID

import jwt
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from contracts.auth.sessions import GetLiveSession, InvalidRefreshToken, RefreshTokens, SessionEndedAlready
from tests.integration.workers.auth.scene import Scene
from workers.auth.tokens import RefreshTokenSigner as Issuer


async def test_a_refresh_gives_the_next_pair_of_the_same_session(scene: Scene) -> None:
    user = await scene.register()
    first = await scene.sign_in(user.email)

    second = await scene.refresh(first.refresh_token)
    third = await scene.refresh(second.refresh_token)

    assert first.session_id == second.session_id == third.session_id
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert scene.counted("auth_service_tokens_issued_total", token_type="refresh") == 3


async def test_a_spent_token_gives_the_same_successor_until_that_is_used(scene: Scene) -> None:
    user = await scene.register()
    first = await scene.sign_in(user.email)

    answers = [await scene.refresh(first.refresh_token) for _ in range(3)]

    assert len({answer.refresh_token for answer in answers}) == 1
    assert (await scene.refresh(answers[0].refresh_token)).access_token


async def test_reuse_of_a_spent_token_ends_the_session_everywhere(scene: Scene) -> None:
    user = await scene.register()
    first = await scene.sign_in(user.email)
    second = await scene.refresh(first.refresh_token)
    third = await scene.refresh(second.refresh_token)

    with pytest.raises(InvalidRefreshToken):
        await scene.refresh(first.refresh_token)

    with pytest.raises(SessionEndedAlready):
        await scene.ask(GetLiveSession(session_id=first.session_id))
    for token in (first, second, third):
        with pytest.raises(InvalidRefreshToken):
            await scene.refresh(token.refresh_token)
    assert set(scene.caches.invalidated) == {f"session/{first.session_id}"}
    name, sequence, data = scene.announced(first.session_id)[-1]
    assert (name, sequence, data["reason"]) == ("session_ended", 2, "refresh_reuse")
    [row] = await scene.fetch("SELECT revoked_reason FROM sessions WHERE id = $1", first.session_id)
    assert row["revoked_reason"] == "refresh_reuse"


async def test_an_honest_retry_ends_after_a_minute_however_often_it_came(scene: Scene) -> None:
    user = await scene.register()
    first = await scene.sign_in(user.email)
    second = await scene.refresh(first.refresh_token)
    for _ in range(3):
        scene.later(timedelta(seconds=20))
        assert (await scene.refresh(first.refresh_token)).refresh_token == second.refresh_token
    scene.later(timedelta(seconds=1))

    with pytest.raises(InvalidRefreshToken):
        await scene.refresh(first.refresh_token)

    with pytest.raises(SessionEndedAlready):
        await scene.ask(GetLiveSession(session_id=first.session_id))
    [row] = await scene.fetch("SELECT revoked_reason FROM sessions WHERE id = $1", first.session_id)
    assert row["revoked_reason"] == "refresh_reuse"


async def test_a_thief_in_step_with_its_victim_is_found_at_the_first_round(scene: Scene) -> None:
    """Each presents the token that the other has just spent, an hour apart."""
    user = await scene.register()
    token = (await scene.sign_in(user.email)).refresh_token
    scene.later(timedelta(minutes=50))
    await scene.refresh(token)  # the thief
    scene.later(timedelta(minutes=10))

    with pytest.raises(InvalidRefreshToken):
        await scene.refresh(token)

    [row] = await scene.fetch("SELECT revoked_reason FROM sessions WHERE user_id = $1", user.id)
    assert row["revoked_reason"] == "refresh_reuse"


async def test_reuse_ends_that_session_only(scene: Scene) -> None:
    user = await scene.register()
    stolen, other = await scene.sign_in(user.email), await scene.sign_in(user.email)
    second = await scene.refresh(stolen.refresh_token)
    await scene.refresh(second.refresh_token)

    with pytest.raises(InvalidRefreshToken):
        await scene.refresh(stolen.refresh_token)

    assert (await scene.refresh(other.refresh_token)).access_token


async def test_concurrent_refreshes_with_one_token_agree_on_the_successor(scene: Scene) -> None:
    user = await scene.register()
    first = await scene.sign_in(user.email)

    answers = await asyncio.gather(*(scene.refresh(first.refresh_token) for _ in range(10)))

    assert len({answer.refresh_token for answer in answers}) == 1
    [row] = await scene.fetch("SELECT generation, used_generation FROM sessions WHERE id = $1", first.session_id)
    assert row == {"generation": 1, "used_generation": 0}


async def test_concurrent_reuse_ends_the_session_once(scene: Scene) -> None:
    user = await scene.register()
    first = await scene.sign_in(user.email)
    second = await scene.refresh(first.refresh_token)
    await scene.refresh(second.refresh_token)

    outcomes = await asyncio.gather(*(scene.refresh(first.refresh_token) for _ in range(6)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {InvalidRefreshToken}
    assert [name for name, _, _ in scene.announced(first.session_id)] == ["session_started", "session_ended"]


async def test_no_refresh_makes_a_session_longer(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    ends = scene.now + timedelta(hours=24)
    scene.later(timedelta(hours=23, minutes=50))

    tokens = await scene.refresh(tokens.refresh_token)

    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert claims["exp"] == int(ends.timestamp())
    assert tokens.expires_in == claims["exp"] - claims["iat"] <= 600
    scene.later(timedelta(minutes=10))
    with pytest.raises(InvalidRefreshToken):
        await scene.refresh(tokens.refresh_token)


async def test_a_locked_users_token_is_refused(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    await scene.execute("UPDATE users SET locked_at = now() WHERE id = $1", user.id)

    with pytest.raises(InvalidRefreshToken):
        await scene.refresh(tokens.refresh_token)
    with pytest.raises(SessionEndedAlready):
        await scene.ask(GetLiveSession(session_id=tokens.session_id))


async def test_a_token_of_another_secret_or_of_no_session_leaves_no_trace(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    forged = Issuer("another secret of this test, long").issue(tokens.session_id, 0)
    of_no_session = scene.tools.refresh_tokens.issue(uuid7(), 0)
    before = await scene.fetch("SELECT * FROM sessions ORDER BY id")

    for token in (forged, of_no_session, "", "a.b.c"):
        with pytest.raises(InvalidRefreshToken):
            await scene.refresh(token)

    assert await scene.fetch("SELECT * FROM sessions ORDER BY id") == before


async def test_a_token_newer_than_the_record_is_refused_and_ends_nothing(scene: Scene) -> None:
    """As after the database was restored from a backup."""
    user = await scene.register()
    tokens = await scene.sign_in(user.email)

    with pytest.raises(InvalidRefreshToken):
        await scene.refresh(scene.tools.refresh_tokens.issue(tokens.session_id, 5))

    assert (await scene.refresh(tokens.refresh_token)).access_token


async def test_the_roles_in_a_new_access_token_are_those_of_now(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    await scene.execute("UPDATE users SET roles = '{user,admin}' WHERE id = $1", user.id)

    tokens = await scene.refresh(tokens.refresh_token)

    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert claims["roles"] == ["user", "admin"]


async def test_a_refresh_leaves_no_row_in_the_inbox(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    command = RefreshTokens(refresh_token=SecretStr(tokens.refresh_token))

    await scene.ask(command, message_id=UUID(int=4711))

    assert await scene.fetch("SELECT FROM inbox WHERE id = $1", UUID(int=4711)) == []
