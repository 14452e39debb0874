"""Registering, and what an account says of itself."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from chassis.database import Database
from chassis.flags import Flags
from chassis.unit_of_work import AlreadyHandled
from contracts.auth.accounts import (
    ChangeProfile,
    EmailTaken,
    GetMe,
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    RegisterUser,
    RegistrationClosed,
    User,
    UserNotFound,
)
from contracts.auth.sessions import SignOutEverywhere
from contracts.envelope import Actor, ActorKind, producer_id
from contracts.message import Request
from contracts.outcome import outcome_query
from contracts.refusal import Forbidden, Invalid, Refusal
from tests.integration.workers.auth.scene import PASSWORD, Scene, acting, open_scene

REGISTRATIONS = "auth_service_registration_attempts_total"


async def test_a_new_account_is_announced_and_can_sign_in(scene: Scene) -> None:
    user = await scene.register()

    assert (user.name, user.roles, user.email_verified, user.created_at) == ("Anna", ("user",), False, scene.now)
    [(name, sequence, data)] = scene.announced(user.id)
    assert (name, sequence) == ("user_registered", 1)
    assert data == {"user_id": str(user.id), "email": user.email, "name": "Anna"}
    assert (await scene.sign_in(user.email)).access_token
    assert await scene.ask(GetMe(), acting(user)) == user
    assert scene.counted(REGISTRATIONS, result="succeeded") == 1


async def test_a_password_is_kept_as_a_hash_of_the_cost_that_is_set_and_nowhere_else(scene: Scene) -> None:
    user = await scene.register(password="a password to look for")

    [row] = await scene.fetch("SELECT password_hash FROM users WHERE id = $1", user.id)
    assert row["password_hash"].startswith("$2b$04$")
    rows = await scene.fetch(
        "SELECT outcome::text AS kept FROM inbox UNION ALL SELECT envelope::text FROM outbox"
        " UNION ALL SELECT users::text FROM users"
    )
    assert not [row for row in rows if "to look for" in row["kept"]]


@pytest.mark.parametrize("spelling", ["{0}", "ANNA.{0}", "ａｎｎａ.{0}"])  # noqa: RUF001 - full-width letters
async def test_an_address_is_taken_in_any_case_or_form_and_the_refusal_leaves_no_trace(
    scene: Scene, spelling: str
) -> None:
    domain = f"{uuid7()}.example.org"
    email = spelling.format(f"x@{domain}")
    await scene.register(email.lower() if email.isascii() else f"anna.x@{domain}")
    before = await scene.traces()

    with pytest.raises(EmailTaken):
        await scene.register(email.upper())

    assert await scene.traces() == before
    assert scene.counted(REGISTRATIONS, result="email_taken") == 1


async def test_of_concurrent_registrations_of_one_address_one_succeeds(scene: Scene) -> None:
    email = f"{uuid7()}@example.org"

    outcomes = await asyncio.gather(*(scene.register(email) for _ in range(8)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes].count(User) == 1
    assert [type(outcome) for outcome in outcomes].count(EmailTaken) == 7


async def test_a_registration_that_is_delivered_again_makes_no_second_account(scene: Scene) -> None:
    message_id = uuid7()
    command = RegisterUser(email=f"{message_id}@example.org", password=SecretStr(PASSWORD))
    user = await scene.ask(command, message_id=message_id)

    with pytest.raises(AlreadyHandled):
        await scene.ask(command, message_id=message_id)

    found = await scene.ask(outcome_query("auth")(command_id=message_id))
    assert found.outcome is not None
    assert found.outcome.parsed() == user.model_dump(mode="json")


@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("1234567", PasswordTooShort),
        ("a" * 1_025, PasswordTooLong),
        ("😀" * 257, PasswordTooLong),
        ("iloveyou", PasswordTooCommon),
        ("password\x00", Invalid),
        ("password\ud800", Invalid),
    ],
)
async def test_a_password_that_does_not_do_leaves_no_trace(scene: Scene, password: str, refusal: type[Refusal]) -> None:
    before = await scene.traces()

    with pytest.raises(refusal):
        await scene.register(password=password)

    assert await scene.traces() == before
    assert scene.counted(REGISTRATIONS, result="password_refused") == 1


@pytest.mark.parametrize("password", ["é" * 35 + "12", "long horse " * 90])
async def test_a_password_of_any_length_signs_in_and_a_shorter_one_does_not(scene: Scene, password: str) -> None:
    user = await scene.register(password=password)

    assert (await scene.sign_in(user.email, password)).access_token
    with pytest.raises(Refusal):
        await scene.sign_in(user.email, password[:-1])


async def test_a_name_is_changed_removed_and_left_alone(scene: Scene) -> None:
    user = await scene.register()

    renamed = await scene.ask(ChangeProfile(name="Berta"), acting(user))
    untouched = await scene.ask(ChangeProfile(), acting(user))
    removed = await scene.ask(ChangeProfile(name=None), acting(user))

    assert [renamed.name, untouched.name, removed.name] == ["Berta", "Berta", None]
    assert [(name, sequence) for name, sequence, _ in scene.announced(user.id)] == [
        ("user_registered", 1),
        ("profile_changed", 2),
        ("profile_changed", 3),
    ]


async def test_concurrent_changes_of_a_profile_are_announced_without_gaps(scene: Scene) -> None:
    user = await scene.register()

    await asyncio.gather(*(scene.ask(ChangeProfile(name=f"name {n}"), acting(user)) for n in range(10)))

    assert sorted(sequence or 0 for _, sequence, _ in scene.announced(user.id)) == list(range(1, 12))


@pytest.mark.parametrize("request_message", [GetMe(), ChangeProfile(name="x"), ChangeProfile(), SignOutEverywhere()])
async def test_who_has_no_account_is_told_so(scene: Scene, request_message: Request[Any]) -> None:
    stranger = Actor(kind=ActorKind.USER, id=UUID(int=99))

    with pytest.raises(UserNotFound):
        await scene.ask(request_message, stranger)
    with pytest.raises(Forbidden):
        await scene.ask(request_message, Actor(kind=ActorKind.ANONYMOUS, id=UUID(int=99)))


async def test_the_address_of_a_command_tells_its_outcome_to_its_actor_only(scene: Scene) -> None:
    user, other, message_id = await scene.register(), await scene.register(), uuid7()
    renamed = await scene.ask(ChangeProfile(name="Berta"), acting(user), message_id=message_id)

    told = (await scene.ask(outcome_query("auth")(command_id=message_id), acting(user))).outcome
    assert told is not None
    assert told.parsed() == renamed.model_dump(mode="json")
    assert (await scene.ask(outcome_query("auth")(command_id=message_id), acting(other))).outcome is None
    assert (await scene.ask(outcome_query("auth")(command_id=uuid7()), acting(user))).outcome is None


async def test_statements_are_counted_and_timed_by_operation(scene: Scene) -> None:
    user = await scene.register()
    await scene.ask(GetMe(), acting(user))

    assert scene.counted("auth_service_database_queries_total", operation="find_account") == 1
    assert scene.counted("auth_service_database_query_duration_seconds_count", operation="add_account") == 1


async def test_where_registration_is_closed_strangers_and_people_are_refused_and_nothing_is_kept(
    database: Database,
) -> None:
    async with open_scene(database, flags=Flags(open_registration=False)) as closed:
        before = await closed.traces()
        with pytest.raises(RegistrationClosed):
            await closed.register()
        with pytest.raises(RegistrationClosed):
            await closed.ask(_account(), Actor(kind=ActorKind.USER, id=uuid7()))

        assert await closed.traces() == before
        assert closed.counted(REGISTRATIONS, result="closed") == 2


async def test_where_registration_is_closed_a_producer_makes_accounts_that_can_sign_in(database: Database) -> None:
    name = "producer-staff"
    async with open_scene(database, flags=Flags(open_registration=False)) as closed:
        account = _account()
        await closed.ask(account, Actor(kind=ActorKind.PRODUCER, id=producer_id(name), name=name))

        assert (await closed.sign_in(account.email)).access_token


def _account() -> RegisterUser:
    return RegisterUser(email=f"{uuid7()}@example.org", password=SecretStr(PASSWORD), name="Anna")
