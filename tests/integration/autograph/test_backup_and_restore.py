"""Backing up and restoring on real servers: what is taken, what is refused, and that a failure leaves no trace."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import pytest
from rich.console import Console

from autograph.backup import objects
from autograph.backup.manifest import DUMP, BackupBroken, Manifest, kept_objects
from autograph.backup.postgres import _program, open_snapshot
from autograph.backup.restore import check_release, check_secrets
from autograph.credentials import service_environment
from autograph.database import check_database, newest_revision, rollback_database
from autograph.migrate import apply
from chassis.key_pairs import Purpose, Safe, rotate
from chassis.objects import s3_client
from compose.local.home import CannotProvide, Home
from compose.local.run import run_servers
from compose.local.stack import addresses
from tests.eventually import eventually
from tests.integration.autograph.restoring import SECRETS, WAITING, House
from tests.servers import PREFIX, PROGRAMS, REPOSITORY


@pytest.fixture(scope="module")
async def servers_of_its_own() -> AsyncIterator[House]:
    """Restoring asks for empty buckets, which the session's servers share among all tests."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        home = Home(Path(folder), programs=PROGRAMS).open()
        async with run_servers(home, {}, lambda _name, _state: None):
            house = House(addresses(home, {}), PROGRAMS)
            await apply(house.installation, Console(quiet=True))
            yield house


@pytest.fixture
async def house(servers_of_its_own: House) -> House:
    """Filled with something of everything."""
    await servers_of_its_own.empty()
    await servers_of_its_own.fill()
    return servers_of_its_own


@pytest.fixture
async def backup(house: House, tmp_path: Path) -> tuple[Path, Manifest]:
    """Of the house, which is empty now."""
    folder = tmp_path / "backup"
    manifest = await house.back_up(folder)
    await house.empty()
    return folder, manifest


async def test_messages_are_copied_and_stay_where_they_are(house: House, tmp_path: Path) -> None:
    before = await house.waiting()

    manifest = await house.back_up(tmp_path / "backup")

    assert {name: count for name, count in manifest.messages.items() if count} == dict.fromkeys(WAITING, 1)
    assert await eventually(lambda: house.waiting_if(before)) == before


async def test_all_of_it_comes_back_and_messages_go_to_the_queues_that_they_were_for(
    house: House, backup: tuple[Path, Manifest]
) -> None:
    await house.restore(*backup)

    assert await house.stored() == {f"diagrams/{house.object_key}", "exports/one.png"}
    assert await house.program_users() == ["producer-reports", "subscriber-search"]
    [subscriber] = await house.subscribers()
    assert (subscriber.name, subscriber.events, subscriber.differences) == ("search", ("diagram.*",), ())
    assert await house.waiting() == {to: [(f"from {queue}".encode(), 2)] for queue, to in WAITING.items()}
    connection = await house.connect()
    assert await connection.fetchval("SELECT email FROM auth.users") == "a@example.org"
    await connection.close()


async def test_an_older_schema_is_brought_up_to_date(house: House, tmp_path: Path) -> None:
    await rollback_database(house.servers.postgres_url, "0002")
    manifest = await house.back_up(tmp_path / "backup")
    assert manifest.revision == "0002"
    await house.empty()

    await house.restore(tmp_path / "backup", manifest)

    for service in ("auth", "diagram"):  # also with the rights that its role has
        url = service_environment(house.servers, house.installation.secret, service)["AUTOGRAPH_POSTGRES_URL"]
        assert await check_database(url) == newest_revision()


def test_a_newer_schema_is_refused(backup: tuple[Path, Manifest]) -> None:
    with pytest.raises(CannotProvide, match="9999"):
        check_release(backup[1].model_copy(update={"revision": "9999"}))


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_another_secret_is_refused_by_its_name(house: House, backup: tuple[Path, Manifest], name: str) -> None:
    check_secrets(backup[1], house.installation)
    other = house.installation_with(**{name: "c" * 48})
    with pytest.raises(CannotProvide, match=f"^AUTOGRAPH_{name.upper()} must be"):
        check_secrets(backup[1], other)


async def _schema(house: House) -> None:
    await house.execute("CREATE SCHEMA diagram")


async def _object(house: House) -> None:
    await house.put("uploads", "somebody's", b"content")


async def _message(house: House) -> None:
    await house.publish("auth.parked")


async def _producer(house: House) -> None:
    await house.add_producer()


async def _subscriber(house: House) -> None:
    await house.add_subscriber()


@pytest.mark.parametrize(
    ("occupy", "sentence"),
    [
        (_schema, "its database has the schema diagram"),
        (_object, "its buckets hold objects"),
        (_message, "the broker's queue auth.parked holds messages"),
        (_producer, "the broker has the producer reports"),
        (_subscriber, "the broker has the subscriber search"),
    ],
)
async def test_what_is_not_empty_is_refused_and_stays_as_it_is(
    house: House, backup: tuple[Path, Manifest], occupy: Callable[[House], Awaitable[None]], sentence: str
) -> None:
    await occupy(house)
    before = await house.everything()

    with pytest.raises(CannotProvide, match=f"empty installation only, and this one is not: {sentence}"):
        await house.restore(*backup)

    assert await house.everything() == before


async def test_where_a_service_runs_nothing_is_restored(house: House, backup: tuple[Path, Manifest]) -> None:
    url = service_environment(house.servers, house.installation.secret, "auth")["AUTOGRAPH_RABBITMQ_URL"]
    async with await aio_pika.connect(url):
        await eventually(lambda: house.is_connected("autograph-auth"))
        with pytest.raises(CannotProvide, match="autograph-auth is running on it"):
            await house.restore(*backup)
    assert await house.stored() == set()


async def test_a_restore_that_fails_leaves_nothing(house: House, backup: tuple[Path, Manifest]) -> None:
    """The database comes last, so all else was written by then."""
    folder, manifest = backup
    (folder / DUMP).write_bytes((folder / DUMP).read_bytes()[:-2000])

    with pytest.raises(CannotProvide, match="pg_restore"):
        await house.restore(folder, manifest)

    assert await house.everything() == ([], set(), [], {})


async def test_a_database_that_is_not_what_the_manifest_says_is_taken_away_again(
    house: House, backup: tuple[Path, Manifest]
) -> None:
    folder, manifest = backup
    with pytest.raises(BackupBroken, match=r"other numbers of rows in auth\.users"):
        await house.restore(folder, manifest.model_copy(update={"rows": {**manifest.rows, "auth.users": 2}}))

    assert await house.everything() == ([], set(), [], {})


async def test_what_a_killed_restore_left_is_cleared_by_the_next(house: House, backup: tuple[Path, Manifest]) -> None:
    await house.put("diagrams", objects.RESTORING, b"")
    await house.put("diagrams", "half/of/it", b"content")
    await house.add_producer()
    await house.publish("auth.parked")

    await house.restore(*backup)

    assert await house.stored() == {f"diagrams/{house.object_key}", "exports/one.png"}
    assert "auth.parked" not in await house.waiting()


async def test_an_object_that_was_lost_or_damaged_before_is_told_and_the_rest_is_kept(
    house: House, tmp_path: Path
) -> None:
    await house.delete("diagrams", house.object_key)
    lost = await house.back_up(tmp_path / "lost")
    await house.put("diagrams", house.object_key, b"not what was put there")
    damaged = await house.back_up(tmp_path / "damaged")

    assert [(one.key, one.why) for one in lost.missing] == [(house.object_key, "not in the store")]
    assert [(one.key, one.why) for one in damaged.missing] == [(house.object_key, "is not gzip")]
    assert [kept.key for kept in kept_objects(tmp_path / "lost")] == ["one.png"]


async def test_a_backup_that_fails_leaves_no_folder(house: House, tmp_path: Path) -> None:
    await house.execute("ALTER TABLE diagram.versions RENAME TO other")
    with pytest.raises(Exception, match="versions"):
        await house.back_up(tmp_path / "backup")
    assert [*tmp_path.glob("*")] == []  # noqa: ASYNC240 - a local folder


async def test_a_folder_that_is_there_is_not_written_into(house: House, tmp_path: Path) -> None:
    with pytest.raises(CannotProvide, match="is there already"):
        await house.back_up(tmp_path)


def test_without_programs_that_are_new_enough_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(CannotProvide, match=r"pg_dump 99 or newer is needed, .*postgresql-client"):
        _program("pg_dump", tmp_path, at_least=99)


async def test_a_snapshot_sees_nothing_of_what_comes_later(house: House) -> None:
    account = house.servers.s3
    async with (
        open_snapshot(house.servers.postgres_url) as snapshot,
        s3_client(account.url, account.access_key, account.secret_key, region="us-east-1") as client,
    ):
        await house.execute("DELETE FROM diagram.files")
        named = [one.key async for one in objects.named(snapshot.connection, client)]
    assert named == [house.object_key, "one.png"]


async def test_with_a_secret_that_opens_no_key_nothing_is_backed_up(house: House, tmp_path: Path) -> None:
    connection = await house.connect()
    await connection.execute("SET search_path = auth")
    await rotate(connection, Safe("another secret, long enough to be one"), Purpose.SIGNING, datetime.now(UTC))
    await connection.close()
    with pytest.raises(CannotProvide, match="AUTOGRAPH_AUTH_SECRET is not the one"):
        await house.back_up(tmp_path / "backup")
    assert [*tmp_path.glob("*")] == []  # noqa: ASYNC240 - a local folder


async def test_servers_named_by_the_environment_are_backed_up_and_restored_by_command(
    house: House, tmp_path: Path
) -> None:
    folder = str(tmp_path / "backup")
    secrets = {f"AUTOGRAPH_{name.upper()}": secret for name, secret in SECRETS.items()}
    unnamed = await _autograph(house, tmp_path, "backup", folder)
    assert unnamed.stderr == "AUTOGRAPH_AUTH_SECRET and AUTOGRAPH_GATEWAY_SECRET must be set as the services have it\n"
    made = await _autograph(house, tmp_path, "backup", folder, "--no-secrets", **secrets)
    assert made.returncode == 0, made.stderr
    assert "secrets.json" not in made.stdout
    assert (await _autograph(house, tmp_path, "backup", "--verify", folder)).returncode == 0
    await house.empty()

    refused = await _autograph(house, tmp_path, "restore", folder, **(secrets | {"AUTOGRAPH_AUTH_SECRET": "d" * 48}))
    assert (refused.returncode, "AUTOGRAPH_AUTH_SECRET must be" in refused.stderr) == (1, True)
    assert await house.everything() == ([], set(), [], {})

    restored = await _autograph(house, tmp_path, "restore", folder, **secrets)
    assert restored.returncode == 0, restored.stderr
    assert await house.stored() == {f"diagrams/{house.object_key}", "exports/one.png"}
    refused = await _autograph(house, tmp_path, "restore", folder, **secrets)
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)


async def _autograph(
    house: House, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "autograph", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "AUTOGRAPH_HOME": str(folder / "home"),
            "AUTOGRAPH_PROGRAMS": str(house.programs),
            "AUTOGRAPH_INSTALLATION_SECRET": house.installation.secret,
            **house.servers.environment(),
            **environment,
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
