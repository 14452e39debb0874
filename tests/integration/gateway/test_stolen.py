"""An operator contains a stolen account or a stolen signing key, on real servers."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aio_pika
import aiohttp
import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from typer.testing import CliRunner

from autograph import keys as keys_command
from autograph import users as users_command
from autograph.__main__ import app
from autograph.operator_requests import send_request_async
from autograph.producer import _add, _remove
from chassis.bus.headers import producer_exchange
from chassis.key_pairs import KeyCipher, Purpose
from compose.local.home import OperatorError
from contracts.auth.operator import (
    AccountState,
    EndUserSessions,
    KeyWithdrawn,
    LockUser,
    ResetPassword,
    UnlockUser,
    WithdrawKey,
)
from contracts.envelope import Actor, Envelope, encode
from tests.integration.gateway.local_system import PASSWORD, LocalSystem, Person, signed_up


@pytest.fixture
async def gateways(system: LocalSystem) -> AsyncIterator[list[aiohttp.ClientSession]]:
    async with system.gateway() as one, system.gateway() as other:
        yield [one.http, other.http]


@pytest.fixture
async def database(system: LocalSystem) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(system.database_url)
    yield connection
    await connection.close()


async def statuses(gateways: list[aiohttp.ClientSession], person: Person) -> list[int]:
    found = []
    for http in gateways:
        async with http.get("/api/auth/me", headers=person.headers()) as answer:
            found.append(answer.status)
    return found


async def user_id(http: aiohttp.ClientSession, person: Person) -> Any:
    async with http.get("/api/auth/me", headers=person.headers()) as answer:
        return (await answer.json())["id"]


async def signs_in(http: aiohttp.ClientSession, person: Person, password: str = PASSWORD) -> int:
    async with http.post("/api/auth/login", json={"email": person.email, "password": password}) as answer:
        if answer.status == 200:
            person.tokens = await answer.json()
        return answer.status


async def audited(database: "asyncpg.Connection[asyncpg.Record]", subject: str) -> list[str]:
    rows = await database.fetch("SELECT action FROM auth.audit_log WHERE subject = $1 ORDER BY position", subject)
    return [row["action"] for row in rows]


async def test_a_locked_account_is_out_at_every_gateway_once_that_is_told(
    system: LocalSystem, gateways: list[aiohttp.ClientSession], database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    anna = await signed_up(gateways[0])
    anna_id = await user_id(gateways[0], anna)
    assert await statuses(gateways, anna) == [200, 200]

    state = await send_request_async(system.installation, LockUser(user_id=anna_id), AccountState)

    assert (state.locked, state.sessions_ended) == (True, 1)
    assert await statuses(gateways, anna) == [401, 401]
    async with gateways[0].post("/api/auth/refresh", json={"refresh_token": anna.tokens["refresh_token"]}) as answer:
        assert answer.status == 401
    assert await signs_in(gateways[0], anna) == 401

    await send_request_async(system.installation, UnlockUser(user_id=anna_id), AccountState)

    assert await statuses(gateways, anna) == [401, 401], "what has ended stays so"
    assert await signs_in(gateways[0], anna) == 200
    assert {"auth.lock_user", "auth.unlock_user"} <= set(await audited(database, f"user/{anna_id}"))
    assert await database.fetchval("SELECT auth.audit_log_broken_at()") is None


async def test_a_new_password_ends_the_sessions_and_the_old_password(
    system: LocalSystem, gateways: list[aiohttp.ClientSession], database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    anna = await signed_up(gateways[0])
    anna_id = await user_id(gateways[0], anna)
    assert await statuses(gateways, anna) == [200, 200]

    new = "another horse altogether"
    state = await send_request_async(
        system.installation, ResetPassword(user_id=anna_id, password=SecretStr(new)), AccountState
    )

    assert (state.locked, state.sessions_ended) == (False, 1)
    assert await statuses(gateways, anna) == [401, 401]
    assert await signs_in(gateways[0], anna) == 401
    assert await signs_in(gateways[0], anna, new) == 200
    assert "auth.reset_password" in await audited(database, f"user/{anna_id}")


async def test_ended_sessions_leave_the_password(system: LocalSystem, gateways: list[aiohttp.ClientSession]) -> None:
    anna = await signed_up(gateways[0])
    anna_id = await user_id(gateways[0], anna)
    await signs_in(gateways[1], anna)

    state = await send_request_async(system.installation, EndUserSessions(user_id=anna_id), AccountState)

    assert (state.locked, state.sessions_ended) == (False, 2)
    assert await statuses(gateways, anna) == [401, 401]
    assert await signs_in(gateways[0], anna) == 200


async def test_who_is_not_there_is_refused_in_a_sentence(system: LocalSystem) -> None:
    with pytest.raises(OperatorError, match="user_not_found"):
        await send_request_async(
            system.installation, LockUser(user_id="00000000-0000-0000-0000-000000000009"), AccountState
        )
    with pytest.raises(OperatorError, match="key_not_found"):
        await send_request_async(system.installation, WithdrawKey(key_id="none"), KeyWithdrawn)


async def test_an_operator_does_it_all_by_the_command(
    system: LocalSystem, gateways: list[aiohttp.ClientSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (users_command, keys_command):
        monkeypatch.setattr(module, "installation", lambda: system.installation)
    anna = await signed_up(gateways[0])

    async def run(*arguments: str, text: str | None = None) -> str:
        ran = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=text)
        assert ran.exit_code == 0, (ran.output, ran.exception)
        return ran.stdout

    assert "locked" in await run("users", "lock", anna.email.upper())
    assert [row["email"] for row in json.loads(await run("users", "list", "--locked", "--json"))] == [anna.email]
    printed = await run("users", "reset-password", anna.email)
    assert "is locked" in printed
    await run("users", "unlock", anna.email)
    assert await signs_in(gateways[0], anna, printed.split()[1]) == 200
    assert "sessions ended: 1" in await run("users", "end-sessions", anna.email)
    await run("users", "reset-password", anna.email, "--stdin", text="one more horse of mine\n")
    assert await signs_in(gateways[0], anna, "one more horse of mine") == 200
    listed = json.loads(await run("users", "list", "--find", anna.email[:20].upper(), "--json"))
    assert [(row["email"], row["sessions"], row["locked"]) for row in listed] == [(anna.email, 1, None)]
    for command, admin in (("make-admin", True), ("remove-admin", False)):
        assert "administrator" in await run("users", command, anna.email)
        (row,) = json.loads(await run("users", "list", "--find", anna.email, "--json"))
        assert row["admin"] is admin
    key_id = jwt.get_unverified_header(anna.tokens["access_token"])["kid"]
    assert key_id in await run("keys", "withdraw", key_id)
    assert await statuses(gateways, anna) == [401, 401]


async def test_a_withdrawn_key_is_worth_nothing_at_any_gateway_once_that_is_told(
    system: LocalSystem, gateways: list[aiohttp.ClientSession], database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    anna = await signed_up(gateways[0])
    assert await statuses(gateways, anna) == [200, 200]
    key_id = jwt.get_unverified_header(anna.tokens["access_token"])["kid"]
    forged = Person(anna.email, {"access_token": await _forged(system, database, anna, key_id)})
    assert await statuses(gateways, forged) == [200, 200], "the thief has the key"

    answer = await send_request_async(system.installation, WithdrawKey(key_id=key_id), KeyWithdrawn)

    assert answer.signs_now != key_id
    assert await statuses(gateways, forged) == [401, 401]
    assert await statuses(gateways, anna) == [401, 401]
    for http in gateways:  # the session lives: its client fetches a token that another key has signed
        async with http.post("/api/auth/refresh", json={"refresh_token": anna.tokens["refresh_token"]}) as refreshed:
            assert refreshed.status == 200
            anna.tokens = await refreshed.json()
        assert jwt.get_unverified_header(anna.tokens["access_token"])["kid"] == answer.signs_now
        assert await statuses(gateways, anna) == [200, 200]
        async with http.get("/.well-known/jwks.json") as jwks:
            assert key_id not in {key["kid"] for key in (await jwks.json())["keys"]}
    assert await audited(database, f"key/{key_id}") == ["auth.withdraw_key"]


async def _forged(
    system: LocalSystem, database: "asyncpg.Connection[asyncpg.Record]", anna: Person, key_id: str
) -> str:
    locked = await database.fetchval("SELECT private_key FROM auth.keys WHERE id = $1", key_id)
    secret = system.auth.settings.auth_secret.get_secret_value()
    private = KeyCipher(secret).decrypt(Purpose.SIGNING, key_id, locked)
    claims = jwt.decode(anna.tokens["access_token"], options={"verify_signature": False})
    claims["exp"] = int(datetime.now(UTC).timestamp()) + 10**8
    return jwt.encode(
        claims,
        Ed25519PrivateKey.from_private_bytes(private),
        algorithm="EdDSA",
        headers={"typ": "at+jwt", "kid": key_id},
    )


async def test_a_producer_locks_nobody_even_with_rights_on_the_whole_exchange(
    system: LocalSystem, gateways: list[aiohttp.ClientSession]
) -> None:
    anna = await signed_up(gateways[0])
    anna_id = await user_id(gateways[0], anna)
    address, actor = await _add(system.installation, "mallory", ["auth.lock_user"], rotate=True)
    try:
        command = LockUser(user_id=anna_id)
        envelope = Envelope(
            id="00000000-0000-0000-0000-0000000000aa",
            source="/mallory",
            type=command.wire_name,
            time=datetime.now(UTC),
            correlationid="c-1",
            actor=Actor.parse(actor),
        )
        connection = await aio_pika.connect(address)
        async with connection, connection.channel() as channel:
            exchange = await channel.get_exchange(producer_exchange("producer-mallory"), ensure=False)
            await exchange.publish(
                aio_pika.Message(
                    encode(envelope, command),
                    content_type="application/cloudevents+json",
                    user_id="producer-mallory",
                ),
                command.routing_key(),
            )
        # It stands before this one in its queue.
        bert = await signed_up(gateways[0])
        await send_request_async(system.installation, LockUser(user_id=await user_id(gateways[0], bert)), AccountState)
    finally:
        await _remove(system.installation, "mallory")
    assert await statuses(gateways, anna) == [200, 200]
