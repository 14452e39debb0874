"""Ending sessions: at once, everywhere, and only one's own."""

import asyncio
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from chassis.unit_of_work import AlreadyHandled
from contracts.auth.sessions import (
    EndSession,
    GetLiveSession,
    InvalidRefreshToken,
    ListSessions,
    SessionEndedAlready,
    SessionNotFound,
    SignOut,
    SignOutEverywhere,
    Tokens,
)
from tests.integration.workers.auth.scene import Scene, acting, acting_in
from workers.auth.tools import SESSION_RETENTION, delete_expired_sessions


async def has_ended(scene: Scene, tokens: Tokens) -> bool:
    try:
        await scene.ask(GetLiveSession(session_id=tokens.session_id))
    except SessionEndedAlready:
        with pytest.raises(InvalidRefreshToken):
            await scene.refresh(tokens.refresh_token)
        return True
    return False


async def test_signing_out_ends_that_session_in_every_cache_and_no_other(scene: Scene) -> None:
    user = await scene.register()
    one, other = await scene.sign_in(user.email), await scene.sign_in(user.email)

    await scene.sign_out(user, one)

    assert [await has_ended(scene, tokens) for tokens in (one, other)] == [True, False]
    assert set(scene.caches.invalidated) == {f"session/{one.session_id}"}
    assert scene.announced(one.session_id)[-1][2]["reason"] == "signed_out"


async def test_signing_out_twice_is_no_mistake_and_clears_the_caches_again(scene: Scene) -> None:
    """Whoever ended the session first may have died between the commit and the caches."""
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    await scene.sign_out(user, tokens)
    scene.caches.invalidated.clear()

    await scene.sign_out(user, tokens)

    assert scene.caches.invalidated == [f"session/{tokens.session_id}"]
    assert len(scene.announced(tokens.session_id)) == 2


async def test_a_sign_out_that_is_delivered_again_is_told_from_the_inbox(scene: Scene) -> None:
    user, message_id = await scene.register(), uuid7()
    tokens = await scene.sign_in(user.email)
    await scene.sign_out(user, tokens, message_id=message_id)

    with pytest.raises(AlreadyHandled):
        await scene.sign_out(user, tokens, message_id=message_id)

    row = await scene.tools.ledger.find(acting(user).key, message_id)
    assert row is not None
    assert set(row.invalidates) == {f"session/{tokens.session_id}"}


async def test_signing_out_without_a_session_is_refused(scene: Scene) -> None:
    user = await scene.register()

    with pytest.raises(SessionNotFound):
        await scene.ask(SignOut(), acting(user))


async def test_nobody_signs_another_out(scene: Scene) -> None:
    user, other = await scene.register(), await scene.register()
    tokens = await scene.sign_in(user.email)

    await scene.sign_out(other, tokens)
    with pytest.raises(SessionNotFound):
        await scene.ask(EndSession(session_id=tokens.session_id), acting(other))

    assert not await has_ended(scene, tokens)


async def test_signing_out_everywhere_ends_all_own_sessions_and_nobody_elses(scene: Scene) -> None:
    user, other = await scene.register(), await scene.register()
    own = [await scene.sign_in(user.email) for _ in range(3)]
    others = await scene.sign_in(other.email)

    await scene.ask(SignOutEverywhere(), acting_in(user, own[0]))

    assert [await has_ended(scene, tokens) for tokens in [*own, others]] == [True, True, True, False]
    assert set(scene.caches.invalidated) == {f"session/{tokens.session_id}" for tokens in own}
    assert scene.announced(own[2].session_id)[-1][2]["reason"] == "signed_out_everywhere"


async def test_one_session_is_ended_once(scene: Scene) -> None:
    user = await scene.register()
    here, there = await scene.sign_in(user.email), await scene.sign_in(user.email)

    await scene.ask(EndSession(session_id=there.session_id), acting_in(user, here))

    assert [await has_ended(scene, tokens) for tokens in (here, there)] == [False, True]
    assert set(scene.caches.invalidated) == {f"session/{there.session_id}"}
    assert scene.announced(there.session_id)[-1][2]["reason"] == "ended"
    with pytest.raises(SessionNotFound):
        await scene.ask(EndSession(session_id=there.session_id), acting_in(user, here))


async def test_the_list_shows_own_live_sessions_newest_first_and_which_is_this(scene: Scene) -> None:
    user, other = await scene.register(), await scene.register()
    await scene.sign_in(other.email)
    expired = await scene.sign_in(user.email)
    scene.later(timedelta(hours=23))
    ended = await scene.sign_in(user.email)
    old = await scene.sign_in(user.email)
    scene.later(timedelta(hours=2))
    new = await scene.sign_in(user.email)
    await scene.sign_out(user, ended)

    listed = await scene.ask(ListSessions(), acting_in(user, old))

    assert [(session.id, session.current) for session in listed.items] == [
        (new.session_id, False),
        (old.session_id, True),
    ]
    assert await has_ended(scene, expired)


async def test_everything_at_once_neither_deadlocks_nor_leaves_a_session(scene: Scene) -> None:
    user = await scene.register()
    sessions = [await scene.sign_in(user.email) for _ in range(5)]

    async def sign_out_everywhere() -> None:
        await scene.ask(SignOutEverywhere(), acting(user))

    outcomes = await asyncio.gather(
        *(scene.sign_in(user.email) for _ in range(6)),
        *(scene.refresh(tokens.refresh_token) for tokens in sessions),
        *(scene.sign_out(user, tokens) for tokens in sessions),
        *(sign_out_everywhere() for _ in range(4)),
        return_exceptions=True,
    )

    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert {type(failure) for failure in failures} <= {InvalidRefreshToken}
    await sign_out_everywhere()
    assert (await scene.ask(ListSessions(), acting(user))).items == ()


async def test_sessions_that_expired_long_ago_are_forgotten(scene: Scene) -> None:
    user = await scene.register()
    old = await scene.sign_in(user.email)
    scene.later(timedelta(hours=24) + SESSION_RETENTION)
    new = await scene.sign_in(user.email)
    scene.later(timedelta(seconds=1))

    assert await delete_expired_sessions(scene.tools) >= 1

    kept = {row["id"] for row in await scene.fetch("SELECT id FROM sessions WHERE user_id = $1", user.id)}
    assert kept == {new.session_id}
    assert old.session_id not in kept
