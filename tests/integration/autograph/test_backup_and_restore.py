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
from autograph.backup.manifest import DUMP, BackupBroken, Manifest, backed_up_objects
from autograph.backup.postgres import _program, open_snapshot
from autograph.backup.restore import check_release, check_secrets
from autograph.credentials import service_environment
from autograph.database import check_database, newest_revision, rollback_database
from autograph.migrate import apply
from chassis.key_pairs import KeyCipher, Purpose, rotate
from chassis.objects import s3_client
from compose.local.home import Home, OperatorError
from compose.local.run import run_servers
from compose.local.stack import addresses
from tests.eventually import eventually
from tests.integration.autograph.restoring import SECRETS, WAITING, LocalSystem
from tests.servers import PREFIX, PROGRAMS, REPOSITORY


@pytest.fixture(scope="module")
async def servers_of_its_own() -> AsyncIterator[LocalSystem]:
    """Restoring asks for empty buckets, which the session's servers share among all tests."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        home = Home(Path(folder), programs=PROGRAMS).open()
        async with run_servers(home, {}, lambda _name, _state: None):
            system = LocalSystem(addresses(home, {}), PROGRAMS)
            await apply(system.installation, Console(quiet=True))
            yield system


@pytest.fixture
async def system(servers_of_its_own: LocalSystem) -> LocalSystem:
    """Filled with something of everything."""
    await servers_of_its_own.empty()
    await servers_of_its_own.fill()
    return servers_of_its_own


@pytest.fixture
async def backup(system: LocalSystem, tmp_path: Path) -> tuple[Path, Manifest]:
    """Of the system, which is empty now."""
    folder = tmp_path / "backup"
    manifest = await system.back_up(folder)
    await system.empty()
    return folder, manifest


async def test_messages_are_copied_and_stay_where_they_are(system: LocalSystem, tmp_path: Path) -> None:
    before = await system.waiting()

    manifest = await system.back_up(tmp_path / "backup")

    assert {name: count for name, count in manifest.messages.items() if count} == dict.fromkeys(WAITING, 1)
    assert await eventually(lambda: system.waiting_if(before)) == before


async def test_all_of_it_comes_back_and_messages_go_to_the_queues_that_they_were_for(
    system: LocalSystem, backup: tuple[Path, Manifest]
) -> None:
    await system.restore(*backup)

    assert await system.stored() == {f"diagrams/{system.object_key}", "exports/one.png"}
    assert await system.program_users() == ["producer-reports", "subscriber-search"]
    [subscriber] = await system.subscribers()
    assert (subscriber.name, subscriber.events, subscriber.differences) == ("search", ("diagram.*",), ())
    assert await system.waiting() == {to: [(f"from {queue}".encode(), 2)] for queue, to in WAITING.items()}
    connection = await system.connect()
    assert await connection.fetchval("SELECT email FROM auth.users") == "a@example.org"
    await connection.close()


async def test_an_older_schema_is_brought_up_to_date(system: LocalSystem, tmp_path: Path) -> None:
    await rollback_database(system.servers.postgres_url, "0002")
    manifest = await system.back_up(tmp_path / "backup")
    assert manifest.revision == "0002"
    await system.empty()

    await system.restore(tmp_path / "backup", manifest)

    for service in ("auth", "diagram"):  # also with the rights that its role has
        url = service_environment(system.servers, system.installation.secret, service)["AUTOGRAPH_POSTGRES_URL"]
        assert await check_database(url) == newest_revision()


def test_a_newer_schema_is_refused(backup: tuple[Path, Manifest]) -> None:
    with pytest.raises(OperatorError, match="9999"):
        check_release(backup[1].model_copy(update={"revision": "9999"}))


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_another_secret_is_refused_by_its_name(system: LocalSystem, backup: tuple[Path, Manifest], name: str) -> None:
    check_secrets(backup[1], system.installation)
    other = system.installation_with(**{name: "c" * 48})
    with pytest.raises(OperatorError, match=f"^AUTOGRAPH_{name.upper()}_SECRET must be"):
        check_secrets(backup[1], other)


async def _schema(system: LocalSystem) -> None:
    await system.execute("CREATE SCHEMA diagram")


async def _object(system: LocalSystem) -> None:
    await system.put("uploads", "somebody's", b"content")


async def _message(system: LocalSystem) -> None:
    await system.publish("auth.parked")


async def _producer(system: LocalSystem) -> None:
    await system.add_producer()


async def _subscriber(system: LocalSystem) -> None:
    await system.add_subscriber()


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
    system: LocalSystem, backup: tuple[Path, Manifest], occupy: Callable[[LocalSystem], Awaitable[None]], sentence: str
) -> None:
    await occupy(system)
    before = await system.everything()

    with pytest.raises(OperatorError, match=f"empty installation only, and this one is not: {sentence}"):
        await system.restore(*backup)

    assert await system.everything() == before


async def test_where_a_service_runs_nothing_is_restored(system: LocalSystem, backup: tuple[Path, Manifest]) -> None:
    url = service_environment(system.servers, system.installation.secret, "auth")["AUTOGRAPH_RABBITMQ_URL"]
    async with await aio_pika.connect(url):
        await eventually(lambda: system.is_connected("autograph-auth"))
        with pytest.raises(OperatorError, match="autograph-auth is running on it"):
            await system.restore(*backup)
    assert await system.stored() == set()


async def test_a_restore_that_fails_leaves_nothing(system: LocalSystem, backup: tuple[Path, Manifest]) -> None:
    """The database comes last, so all else was written by then."""
    folder, manifest = backup
    (folder / DUMP).write_bytes((folder / DUMP).read_bytes()[:-2000])

    with pytest.raises(OperatorError, match="pg_restore"):
        await system.restore(folder, manifest)

    assert await system.everything() == ([], set(), [], {})


async def test_a_database_that_is_not_what_the_manifest_says_is_taken_away_again(
    system: LocalSystem, backup: tuple[Path, Manifest]
) -> None:
    folder, manifest = backup
    with pytest.raises(BackupBroken, match=r"other numbers of rows in auth\.users"):
        await system.restore(folder, manifest.model_copy(update={"rows": {**manifest.rows, "auth.users": 2}}))

    assert await system.everything() == ([], set(), [], {})


async def test_what_a_killed_restore_left_is_cleared_by_the_next(
    system: LocalSystem, backup: tuple[Path, Manifest]
) -> None:
    await system.put("diagrams", objects.RESTORING, b"")
    await system.put("diagrams", "half/of/it", b"content")
    await system.add_producer()
    await system.publish("auth.parked")

    await system.restore(*backup)

    assert await system.stored() == {f"diagrams/{system.object_key}", "exports/one.png"}
    assert "auth.parked" not in await system.waiting()


async def test_an_object_that_was_lost_or_damaged_before_is_told_and_the_rest_is_kept(
    system: LocalSystem, tmp_path: Path
) -> None:
    await system.delete("diagrams", system.object_key)
    lost = await system.back_up(tmp_path / "lost")
    await system.put("diagrams", system.object_key, b"not what was put there")
    damaged = await system.back_up(tmp_path / "damaged")

    assert [(one.key, one.why) for one in lost.missing] == [(system.object_key, "not in the store")]
    assert [(one.key, one.why) for one in damaged.missing] == [(system.object_key, "is not gzip")]
    assert [kept.key for kept in backed_up_objects(tmp_path / "lost")] == ["one.png"]


async def test_a_backup_that_fails_leaves_no_folder(system: LocalSystem, tmp_path: Path) -> None:
    await system.execute("ALTER TABLE diagram.versions RENAME TO other")
    with pytest.raises(Exception, match="versions"):
        await system.back_up(tmp_path / "backup")
    assert [*tmp_path.glob("*")] == []  # noqa: ASYNC240 - a local folder


async def test_a_folder_that_is_there_is_not_written_into(system: LocalSystem, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is there already"):
        await system.back_up(tmp_path)


def test_without_programs_that_are_new_enough_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"pg_dump 99 or newer is needed, .*postgresql-client"):
        _program("pg_dump", tmp_path, at_least=99)


async def test_a_snapshot_sees_nothing_of_what_comes_later(system: LocalSystem) -> None:
    account = system.servers.s3
    async with (
        open_snapshot(system.servers.postgres_url) as snapshot,
        s3_client(account.url, account.access_key, account.secret_key, region="us-east-1") as client,
    ):
        await system.execute("DELETE FROM diagram.files")
        named = [one.key async for one in objects.referenced_objects(snapshot.connection, client)]
    assert named == [system.object_key, "one.png"]


async def test_with_a_secret_that_opens_no_key_nothing_is_backed_up(system: LocalSystem, tmp_path: Path) -> None:
    connection = await system.connect()
    await connection.execute("SET search_path = auth")
    await rotate(connection, KeyCipher("another secret, long enough to be one"), Purpose.SIGNING, datetime.now(UTC))
    await connection.close()
    with pytest.raises(OperatorError, match="AUTOGRAPH_AUTH_SECRET is not the one"):
        await system.back_up(tmp_path / "backup")
    assert [*tmp_path.glob("*")] == []  # noqa: ASYNC240 - a local folder


async def test_servers_named_by_the_environment_are_backed_up_and_restored_by_command(
    system: LocalSystem, tmp_path: Path
) -> None:
    folder = str(tmp_path / "backup")
    secrets = {f"AUTOGRAPH_{name.upper()}_SECRET": secret for name, secret in SECRETS.items()}
    unnamed = await _autograph(system, tmp_path, "backup", folder)
    assert unnamed.stderr == "AUTOGRAPH_AUTH_SECRET and AUTOGRAPH_GATEWAY_SECRET must be set as the services have it\n"
    made = await _autograph(system, tmp_path, "backup", folder, "--no-secrets", **secrets)
    assert made.returncode == 0, made.stderr
    assert "secrets.json" not in made.stdout
    assert (await _autograph(system, tmp_path, "backup", "--verify", folder)).returncode == 0
    await system.empty()

    refused = await _autograph(system, tmp_path, "restore", folder, **(secrets | {"AUTOGRAPH_AUTH_SECRET": "d" * 48}))
    assert (refused.returncode, "AUTOGRAPH_AUTH_SECRET must be" in refused.stderr) == (1, True)
    assert await system.everything() == ([], set(), [], {})

    restored = await _autograph(system, tmp_path, "restore", folder, **secrets)
    assert restored.returncode == 0, restored.stderr
    assert await system.stored() == {f"diagrams/{system.object_key}", "exports/one.png"}
    refused = await _autograph(system, tmp_path, "restore", folder, **secrets)
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)


async def _autograph(
    system: LocalSystem, folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "autograph", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "AUTOGRAPH_HOME": str(folder / "home"),
            "AUTOGRAPH_PROGRAMS": str(system.programs),
            "AUTOGRAPH_INSTALLATION_SECRET": system.installation.secret,
            **system.servers.environment(),
            **environment,
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
