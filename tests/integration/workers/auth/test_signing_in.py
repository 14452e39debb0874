"""Signing in: who is let in, with what, and what is left behind when nobody is."""

import asyncio
from datetime import timedelta
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from uuid_utils.compat import uuid7

from chassis.database import Database
from contracts.auth.sessions import GetLiveSession, InvalidCredentials, ListSessions, SessionEndedAlready
from tests.eventually import eventually
from tests.integration.workers.auth.scene import PASSWORD, Scene, acting, open_scene

LOGINS = "auth_service_login_attempts_total"
ISSUED = "auth_service_tokens_issued_total"


async def test_an_access_token_says_who_acts_in_which_session_until_when(scene: Scene) -> None:
    user = await scene.register()

    tokens = await scene.sign_in(user.email)

    header = jwt.get_unverified_header(tokens.access_token)
    [key] = [key for key in await scene.tools.keys.published() if key.id == header["kid"]]
    assert key.purpose == "signing"
    assert header == {"alg": "EdDSA", "typ": "at+jwt", "kid": key.id}
    public = Ed25519PublicKey.from_public_bytes(jwt.utils.base64url_decode(key.key))
    claims = jwt.decode(tokens.access_token, public, algorithms=["EdDSA"], audience="autograph", issuer="autograph")
    issued_at = int(scene.now.timestamp())
    assert claims == {
        "iss": "autograph",
        "aud": "autograph",
        "sub": str(user.id),
        "sid": str(tokens.session_id),
        "roles": ["user"],
        "iat": issued_at,
        "exp": issued_at + 3600,
    }
    assert (tokens.expires_in, tokens.token_type) == (3600, "bearer")
    assert [scene.counted(ISSUED, token_type=kind) for kind in ("access", "refresh")] == [1, 1]
    assert scene.counted(LOGINS, result="succeeded") == 1


@pytest.mark.parametrize(("remember_me", "lasts"), [(False, timedelta(hours=24)), (True, timedelta(days=30))])
async def test_a_session_lasts_a_day_or_thirty(scene: Scene, remember_me: bool, lasts: timedelta) -> None:  # noqa: FBT001 - a parameter of the test
    user = await scene.register()

    tokens = await scene.sign_in(user.email, remember_me=remember_me)

    session = await scene.ask(GetLiveSession(session_id=tokens.session_id))
    assert (session.user_id, session.roles, session.expires_at) == (user.id, ("user",), scene.now + lasts)
    scene.later(lasts - timedelta(seconds=1))
    assert await scene.ask(GetLiveSession(session_id=tokens.session_id)) == session
    scene.later(timedelta(seconds=1))
    with pytest.raises(SessionEndedAlready):
        await scene.ask(GetLiveSession(session_id=tokens.session_id))


async def test_an_address_signs_in_in_any_case(scene: Scene) -> None:
    user = await scene.register(f"Anna.{uuid7()}@Example.org")

    assert (await scene.sign_in(user.email.upper())).access_token


async def test_who_may_not_sign_in_hears_the_same_whatever_the_reason(scene: Scene) -> None:
    user, locked, service = await scene.register(), await scene.register(), await scene.register()
    await scene.execute("UPDATE users SET locked_at = now() WHERE id = $1", locked.id)
    await scene.execute("UPDATE users SET kind = 'service', password_hash = NULL WHERE id = $1", service.id)
    before = await scene.traces()

    for email, password in [
        (user.email, "wrong password"),
        (user.email, PASSWORD + " "),
        (user.email, "a" * 73),
        (user.email, f"{PASSWORD}\x00"),
        (f"nobody-{uuid7()}@example.org", PASSWORD),
        (locked.email, PASSWORD),
        (service.email, PASSWORD),
        (service.email, ""),
    ]:
        with pytest.raises(InvalidCredentials) as refused:
            await scene.sign_in(email, password)
        assert refused.value.problem() == InvalidCredentials().problem()

    assert await scene.traces() == before
    assert scene.counted(LOGINS, result="refused") == 8
    told = await scene.fetch("SELECT detail FROM audit_log ORDER BY position DESC LIMIT 8")
    assert [row["detail"]["reason"] for row in told[::-1]] == [
        *["wrong_password"] * 4,
        "no_such_account",
        "locked",
        *["no_such_account"] * 2,
    ]


async def test_who_is_locked_while_their_password_is_checked_is_not_let_in(database: Database) -> None:
    async with open_scene(database, bcrypt_cost=9) as scene:
        user = await scene.register()
        signing_in = asyncio.create_task(scene.sign_in(user.email))

        async def is_checked() -> bool:
            return scene.tools.passwords.states()["in_hand"] == 1

        await eventually(is_checked)
        await scene.execute("UPDATE users SET locked_at = now() WHERE id = $1", user.id)

        with pytest.raises(InvalidCredentials):
            await signing_in


async def test_a_failed_sign_in_is_on_the_audit_log_without_what_was_typed(scene: Scene) -> None:
    user = await scene.register()
    unknown = f"maybe-a-password-{uuid7()}@example.org"

    for email in (user.email, unknown):
        with pytest.raises(InvalidCredentials):
            await scene.sign_in(email, "wrong password")

    told = await scene.fetch("SELECT * FROM audit_log WHERE action = 'auth.sign_in' ORDER BY position DESC LIMIT 2")
    assert [(row["subject"], row["outcome"], row["detail"]) for row in told] == [
        (None, "refused", {"reason": "no_such_account"}),
        (f"user/{user.id}", "refused", {"reason": "wrong_password"}),
    ]
    assert [(row["address"], row["device"], row["correlation_id"]) for row in told] == [
        ("192.0.2.7", "a browser", "c-1")
    ] * 2
    assert "maybe-a-password" not in str(told)
    assert "wrong password" not in str(told)


async def test_a_sign_in_that_is_delivered_again_begins_no_second_session(scene: Scene) -> None:
    user, message_id = await scene.register(), uuid7()

    first = await scene.sign_in(user.email, message_id=message_id)
    scene.later(timedelta(seconds=30))
    again = await scene.sign_in(user.email, message_id=message_id)

    assert (again.session_id, again.refresh_token) == (first.session_id, first.refresh_token)
    assert again.session_id == message_id
    assert len(await scene.fetch("SELECT FROM sessions WHERE user_id = $1", user.id)) == 1
    assert [name for name, _, _ in scene.announced(message_id)] == ["session_started"]


async def test_nobody_gets_into_anothers_session_by_its_id(scene: Scene) -> None:
    user, other, message_id = await scene.register(), await scene.register(), uuid7()
    await scene.sign_in(user.email, message_id=message_id)

    with pytest.raises(SessionEndedAlready):
        await scene.sign_in(other.email, message_id=message_id)


async def test_a_sign_in_that_is_delivered_after_its_session_ended_gives_no_tokens(scene: Scene) -> None:
    user, message_id = await scene.register(), uuid7()
    tokens = await scene.sign_in(user.email, message_id=message_id)
    await scene.sign_out(user, tokens)

    with pytest.raises(SessionEndedAlready):
        await scene.sign_in(user.email, message_id=message_id)


async def test_the_sixth_session_ends_the_oldest_in_every_cache(scene: Scene) -> None:
    user = await scene.register()
    sessions: list[UUID] = []
    for _ in range(6):
        sessions.append((await scene.sign_in(user.email)).session_id)
        scene.later(timedelta(seconds=1))

    live = await scene.ask(ListSessions(), acting(user))

    assert [session.id for session in live.items] == sessions[:0:-1]
    assert scene.caches.invalidated == [f"session/{sessions[0]}"]
    assert [(name, sequence) for name, sequence, _ in scene.announced(sessions[0])] == [
        ("session_started", 1),
        ("session_ended", 2),
    ]
    assert scene.announced(sessions[0])[-1][2]["reason"] == "too_many_sessions"


async def test_concurrent_sign_ins_leave_five_sessions(scene: Scene) -> None:
    user = await scene.register()

    await asyncio.gather(*(scene.sign_in(user.email) for _ in range(12)))

    live = await scene.ask(ListSessions(), acting(user))
    assert len(live.items) == 5
    assert len(set(scene.caches.invalidated)) == 7


async def test_a_session_that_just_began_is_never_the_one_to_end(scene: Scene) -> None:
    """Clocks of two workers differ, so the newest is not always the one with the latest time."""
    user = await scene.register()
    for _ in range(5):
        await scene.sign_in(user.email)
    scene.later(timedelta(seconds=-30))

    tokens = await scene.sign_in(user.email)

    assert (await scene.ask(GetLiveSession(session_id=tokens.session_id))).user_id == user.id


async def test_a_hash_of_another_cost_is_replaced_at_the_next_sign_in(database: Database, scene: Scene) -> None:
    user = await scene.register()
    async with open_scene(database, bcrypt_cost=5) as costlier:
        await costlier.sign_in(user.email)

    [row] = await scene.fetch("SELECT password_hash FROM users WHERE id = $1", user.id)
    assert row["password_hash"].startswith("$2b$05$")
    assert (await scene.sign_in(user.email)).access_token


async def test_with_the_flag_an_old_hash_gets_a_pepper_and_without_it_the_pepper_stays(
    database: Database, scene: Scene
) -> None:
    """A separate pepper, too: what was stored under the one that follows from the secret is still read."""
    user = await scene.register()

    async def stored() -> str:
        [row] = await scene.fetch("SELECT password_hash FROM users WHERE id = $1", user.id)
        return str(row["password_hash"])

    forms = [await stored()]
    pepper = "a pepper of this test, long enough for it"
    for own in (None, pepper):
        async with open_scene(database, flags="peppered_passwords=on", password_pepper=own) as peppered:
            await peppered.sign_in(user.email)
            with pytest.raises(InvalidCredentials):
                await peppered.sign_in(user.email, "wrong horse")
        forms.append(await stored())

    assert [form.startswith("$hmac-sha384$") for form in forms] == [False, True, True]
    assert len({form[:22] for form in forms[1:]}) == 2
    async with open_scene(database, password_pepper=pepper) as without_flag:
        assert (await without_flag.sign_in(user.email)).access_token
    assert await stored() == forms[2]


async def test_sign_ins_at_once_that_find_an_outdated_hash_are_all_let_in(database: Database, scene: Scene) -> None:
    user = await scene.register()
    async with open_scene(database, bcrypt_cost=5, password_threads=4) as costlier:
        entered = await asyncio.gather(*(costlier.sign_in(user.email) for _ in range(4)))
        assert len({tokens.session_id for tokens in entered}) == 4
        assert costlier.counted(LOGINS, result="refused") == 0


async def test_neither_password_nor_tokens_are_kept_anywhere(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    tokens = await scene.refresh(tokens.refresh_token)

    rows = await scene.fetch(
        "SELECT sessions::text AS kept FROM sessions UNION ALL SELECT outcome::text FROM inbox"
        " UNION ALL SELECT envelope::text FROM outbox UNION ALL SELECT audit_log::text FROM audit_log"
    )
    for secret in (PASSWORD, tokens.refresh_token.rpartition(".")[2], tokens.access_token.rpartition(".")[2]):
        assert not [row for row in rows if secret in row["kept"]]


async def test_last_seen_moves_with_each_refresh(scene: Scene) -> None:
    user = await scene.register()
    tokens = await scene.sign_in(user.email)
    begun = scene.now
    scene.later(timedelta(minutes=20))

    await scene.refresh(tokens.refresh_token)

    [session] = (await scene.ask(ListSessions(), acting(user))).items
    assert (session.created_at, session.last_seen_at) == (begun, scene.now)
    assert (session.device, session.address, session.current) == ("a browser", "192.0.2.7", False)
