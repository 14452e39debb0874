"""Secrets at rest: a made-up worker keeps its users' tokens, in the auth service's schema, where the keys are."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from autograph.credentials import as_user, service_password
from autograph.database import migrate_database
from chassis.database import Database, open_database
from chassis.key_pairs import KeyCipher, KeysUnreadable, Purpose, list_all, load, rotate
from chassis.vault import PAGE, Vault, VaultColumn, VaultUnreadable
from tests.databases import unused_database
from tests.eventually import eventually
from tests.integration.autograph.installation import INSTALLATION_SECRET

TOKEN = VaultColumn("accounts", "id", "token")
OTHER = VaultColumn("accounts", "id", "other")
SECRET = "s" * 32


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with unused_database(database_url) as url:
        await migrate_database(url, INSTALLATION_SECRET)
        administrator = await asyncpg.connect(url)
        await administrator.execute(
            "CREATE TABLE auth.accounts (id uuid PRIMARY KEY, token bytea, other bytea);"
            "GRANT ALL ON auth.accounts TO autograph_auth"
        )
        await administrator.close()
        own = as_user(url, "autograph_auth", service_password(INSTALLATION_SECRET, "postgres", "auth"))
        async with open_database(own, application_name="test", pool_min=1, pool_max=10) as database:
            yield database


def vault_of(secret: str = SECRET) -> Vault:
    return Vault(KeyCipher(secret), (TOKEN, OTHER), CollectorRegistry())


@pytest.fixture
def vault() -> Vault:
    return vault_of()


async def put(database: Database, vault: Vault, secret: bytes, column: VaultColumn = TOKEN) -> UUID:
    row = uuid4()
    async with database.transaction() as connection:
        box = await vault.encrypt(connection, secret, column, row)
        await connection.execute(f"INSERT INTO accounts (id, {column.column}) VALUES ($1, $2)", row, box)
    return row


async def get(
    database: Database, vault: Vault, row: UUID, column: VaultColumn = TOKEN, *, of: UUID | None = None
) -> bytes:
    async with database.connection() as connection:
        box = await connection.fetchval("SELECT coalesce(token, other) FROM accounts WHERE id = $1", of or row)
        return await vault.decrypt(connection, box, column, row)


async def rotated(database: Database) -> str:
    async with database.connection() as connection:
        return (
            await rotate(connection, KeyCipher(SECRET), Purpose.VAULT, await connection.fetchval("SELECT now()"))
        ).id


async def keys(database: Database) -> dict[str, bool]:
    """Ids of the vault's keys, oldest first, and whether they are retired."""
    async with database.connection() as connection:
        found = [key for key in await list_all(connection) if key.purpose is Purpose.VAULT]
    return {key.id: key.retired_at is not None for key in sorted(found, key=lambda key: key.id)}


async def test_a_secret_is_read_again_and_never_the_same_at_rest(database: Database, vault: Vault) -> None:
    rows = [await put(database, vault, b"hunter2") for _ in range(2)]

    assert [await get(database, vault_of(), row) for row in rows] == [b"hunter2", b"hunter2"]
    async with database.connection() as connection:
        boxes = [row["token"] for row in await connection.fetch("SELECT token FROM accounts")]
    [key] = await keys(database)
    assert boxes[0] != boxes[1]
    assert all(box.startswith(UUID(key).bytes) and b"hunter2" not in box for box in boxes)


async def test_a_ciphertext_is_worth_nothing_in_another_row_or_column(database: Database, vault: Vault) -> None:
    mine, yours = await put(database, vault, b"mine"), await put(database, vault, b"yours")

    with pytest.raises(VaultUnreadable):
        await get(database, vault, yours, of=mine)
    with pytest.raises(VaultUnreadable):
        await get(database, vault, mine, OTHER)


@pytest.mark.parametrize(
    "change", ["overlay(token placing 'x'::bytea from 40)", "substring(token from 1 for 20)", "''"]
)
async def test_what_was_changed_is_not_read(database: Database, vault: Vault, change: str) -> None:
    row = await put(database, vault, b"hunter2")
    async with database.connection() as connection:
        await connection.execute(f"UPDATE accounts SET token = {change}")

    with pytest.raises(VaultUnreadable):
        await get(database, vault, row)


async def test_another_secret_opens_nothing(database: Database, vault: Vault) -> None:
    row = await put(database, vault, b"hunter2")

    with pytest.raises(KeysUnreadable):
        await get(database, vault_of("another" * 8), row)


async def test_first_secrets_at_once_make_one_key(database: Database) -> None:
    await asyncio.gather(*(put(database, vault_of(), b"hunter2") for _ in range(6)))

    assert len(await keys(database)) == 1


async def test_a_rotation_encrypts_all_anew_and_retires_the_former_key(database: Database, vault: Vault) -> None:
    rows = [await put(database, vault, b"%d" % number) for number in range(PAGE + 5)]
    other = await put(database, vault, b"other", OTHER)
    new = await rotated(database)
    assert list((await keys(database)).values()) == [False, False]

    assert await vault.reencrypt(database) == PAGE + 6

    former, _ = await keys(database)
    assert await keys(database) == {former: True, new: False}
    assert [await get(database, vault, row) for row in rows[:3]] == [b"0", b"1", b"2"]
    assert await get(database, vault_of(), other, OTHER) == b"other"
    assert await vault.reencrypt(database) == 0


async def test_a_key_that_a_row_names_is_not_retired(database: Database, vault: Vault) -> None:
    await put(database, vault, b"hunter2")
    damaged = await put(database, vault, b"damaged")
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE accounts SET token = overlay(token placing 'x'::bytea from 40) WHERE id = $1", damaged
        )
    await rotated(database)

    assert await vault.reencrypt(database) == 1
    assert list((await keys(database)).values()) == [False, False]


async def test_a_key_is_not_retired_under_somebody_who_encrypts_with_it_just_now(
    database: Database, vault: Vault
) -> None:
    await put(database, vault, b"hunter2")
    row = uuid4()
    async with database.transaction() as connection:
        box = await vault.encrypt(connection, b"late", TOKEN, row)
        await rotated(database)
        passing = asyncio.create_task(vault.reencrypt(database))

        async def waits() -> bool:
            return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await eventually(waits)
        await connection.execute("INSERT INTO accounts (id, token) VALUES ($1, $2)", row, box)
    await passing

    assert list((await keys(database)).values()) == [False, False]
    assert await get(database, vault, row) == b"late"
    assert await vault.reencrypt(database) == 1
    assert list((await keys(database)).values()) == [True, False]


async def test_the_auth_service_neither_holds_nor_publishes_the_vaults_keys(database: Database, vault: Vault) -> None:
    """They are the vault's own, whose secrets they open."""
    await put(database, vault, b"hunter2")
    async with database.connection() as connection:
        assert [key.purpose for key in await load(connection, KeyCipher(SECRET))] == []
        assert {key.purpose for key in await load(connection, KeyCipher(SECRET), tuple(Purpose))} == {Purpose.VAULT}


async def test_a_new_key_becomes_the_current_one_although_the_operators_clock_is_behind(
    database: Database, vault: Vault
) -> None:
    await put(database, vault, b"hunter2")
    async with database.connection() as connection:
        behind = await connection.fetchval("SELECT now() - interval '1 hour'")
        new = (await rotate(connection, KeyCipher(SECRET), Purpose.VAULT, behind)).id

    assert await vault.reencrypt(database) == 1
    assert [key for key, retired in (await keys(database)).items() if not retired] == [new]
