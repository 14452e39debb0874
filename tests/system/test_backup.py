"""A backup of an installation that is written to, with a worker frozen over its work, restored in another home."""

import asyncio
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import asyncpg
import pytest
from rich.console import Console

from autograph.backup.progress import bars
from autograph.backup.verify import verify
from tests.eventually import eventually
from tests.system.client import PASSWORD, Answer, Client, client
from tests.system.stack import Stack

DIAGRAMS = 6
LARGE = {"elements": [{"id": f"element-{number}", "text": "lorem ipsum " * 20} for number in range(400)]}  # 100 KB
OLDER = "2020-01-01T000000Z"
ARCHIVES_AT_ONCE = {"AUTOGRAPH_ARCHIVE_AFTER_SECONDS": "0", "AUTOGRAPH_ARCHIVE_EVERY_SECONDS": "0.2"}


@dataclass
class Accepted:
    title: str
    at: datetime
    address: str


@dataclass
class Before:
    """What the installation told its clients until it was backed up."""

    email: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)
    diagrams: dict[str, Any] = field(default_factory=dict)  # path → what was read there
    first: Answer | None = None  # to the first create, with the key "diagram-0"
    accepted: list[Accepted] = field(default_factory=list)
    producer: str = ""
    audited: int = 0
    manifest: dict[str, Any] = field(default_factory=dict)
    backup: Path = Path()
    kept: Path = Path()  # a folder of backups, of which one is kept


@dataclass
class Restored:
    before: Before
    stack: Stack
    person: Client


@pytest.fixture(scope="module")
async def before(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Before]:
    folder = tmp_path_factory.mktemp("backed-up")
    stack, before = Stack(folder), Before(backup=folder / "backups" / "first", kept=folder / "kept")
    try:
        stack.up("--workers", "diagram=2", **ARCHIVES_AT_ONCE)
        await stack.ready()
        added = await stack.run("producer", "add", "reports", "--allow", "diagram.create_diagram")
        before.producer = dict(line.split(maxsplit=1) for line in added.stdout.splitlines())["address"]
        async with client((await stack.status())["gateway"]["url"]) as person:
            await person.register()
            await person.sign_in()
            before.email, before.tokens = person.email, person.tokens
            await _fill(person, before)
            await _all_archived(stack)
            before.diagrams = await _everything(person)
            before.audited = await _fetch(stack, "SELECT count(*) FROM auth.audit_log")
            await _back_up_under_load(stack, person, before)
        shutil.copytree(before.backup, before.kept / OLDER)
        kept = await stack.run("backup", str(before.kept), "--keep", "1")
        assert kept.returncode == 0, kept.stderr
        assert await stack.end() == 0
        yield before
    finally:
        stack.clean_up()


@pytest.fixture(scope="module")
async def restored(before: Before, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Restored]:
    stack = Stack(tmp_path_factory.mktemp("restored"))
    try:
        told = await stack.run("restore", str(before.backup))
        assert told.returncode == 0, told.stderr
        stack.up()
        await stack.ready()
        async with client((await stack.status())["gateway"]["url"]) as person:
            person.email, person.tokens = before.email, before.tokens
            yield Restored(before, stack, person)
        assert await stack.end() == 0
    finally:
        stack.clean_up()


async def _fill(person: Client, before: Before) -> None:
    for number in range(DIAGRAMS):
        body = {"title": f"Diagram {number}", "type": "canvas", "canvas_data": {**LARGE, "number": number}}
        created = await person.ask("POST", "/api/diagrams", body, Idempotency_Key=f"diagram-{number}")
        before.first = before.first or created
        place = created.headers["Location"]
        for change in range(2):
            content = {"canvas_data": {**LARGE, "number": number, "change": change}}
            changed = await person.ask("PATCH", place, content, If_Match=f'"{change + 1}"')
            assert changed.status == 200, changed
    places = [f"/api/diagrams/{diagram['id']}" for diagram in await person.all_diagrams()]
    assert (await person.ask("DELETE", places[1])).status == 204
    assert (await person.ask("DELETE", f"{places[2]}?permanent=true")).status == 204


async def _everything(person: Client) -> dict[str, Any]:
    """Every diagram, also in the trash, with each version's content."""
    found: dict[str, Any] = {}
    for view in ("all", "trash"):
        listed = await person.ask("GET", f"/api/diagrams?limit=100&view={view}")
        assert listed.status == 200, listed
        for diagram in listed.body["items"]:
            place = f"/api/diagrams/{diagram['id']}"
            versions = f"{place}/versions"
            for path in (place, versions):
                found[path] = (await person.ask("GET", path)).body
            for version in found[versions].get("items", ()):
                path = f"{versions}/{version['number']}"
                found[path] = await person.ask("GET", path)
                assert found[path].status == 200, found[path]
                found[path] = found[path].body
    return found


async def _all_archived(stack: Stack) -> None:
    past = """
        SELECT count(*) = 0 FROM diagram.versions JOIN diagram.files ON files.id = file_id
        WHERE number < version AND object_key IS NULL
    """
    await eventually(lambda: _fetch(stack, past))
    assert await _fetch(stack, "SELECT count(*) FROM diagram.versions WHERE object_key IS NOT NULL") >= DIAGRAMS


async def _back_up_under_load(stack: Stack, person: Client, before: Before) -> None:
    """Commands are accepted before, while and after; one of the two workers holds its share and does nothing."""
    frozen = stack.row("diagram-2")["pid"]
    writing = True

    async def write() -> None:
        while writing:
            title = f"Accepted {len(before.accepted)}"
            answer = await person.create(title, Prefer="respond-async", Idempotency_Key=title.replace(" ", "-"))
            assert answer.status == 202, answer
            before.accepted.append(Accepted(title, datetime.now(UTC), answer.headers["Location"]))

    os.kill(frozen, signal.SIGSTOP)
    writer = asyncio.create_task(write())
    try:
        await eventually(lambda: _true(len(before.accepted) > 50))
        told = await stack.run("backup", str(before.backup))
        accepted = len(before.accepted)
        await eventually(lambda: _true(len(before.accepted) > accepted))
    finally:
        writing = False
        os.kill(frozen, signal.SIGCONT)
        await writer
    assert told.returncode == 0, told.stderr
    before.manifest = json.loads((before.backup / "manifest.json").read_text(encoding="utf-8"))


async def _true(value: bool) -> bool:  # noqa: FBT001 - what is waited for
    return value


async def _fetch(stack: Stack, query: str) -> Any:
    connection = await asyncpg.connect(stack.servers().postgres_url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_the_backup_met_commands_that_were_accepted_and_not_carried_out(before: Before) -> None:
    assert before.manifest["messages"]["diagram.commands"] > 0
    assert before.manifest["objects"] >= DIAGRAMS


async def test_one_more_backup_took_the_place_of_the_older_one_and_is_whole(before: Before) -> None:
    [newer] = before.kept.iterdir()

    with bars(Console(quiet=True)) as progress:
        manifest = verify(newer, progress)
    assert manifest.snapshot_at.isoformat() > before.manifest["snapshot_at"]


async def test_sessions_hold_and_passwords_are_the_same(restored: Restored) -> None:
    assert (await restored.person.ask("GET", "/api/auth/me")).body["email"] == restored.before.email
    refresh = {"refresh_token": restored.before.tokens["refresh_token"]}
    assert (await restored.person.ask("POST", "/api/auth/refresh", refresh)).status == 200
    again = {"email": restored.before.email, "password": PASSWORD}
    assert (await restored.person.ask("POST", "/api/auth/login", again)).status == 200


async def test_every_diagram_and_every_version_reads_as_before(restored: Restored) -> None:
    for path, body in restored.before.diagrams.items():
        assert (await restored.person.ask("GET", path)).body == body, path


async def test_a_repeated_key_gets_its_old_outcome(restored: Restored) -> None:
    first = restored.before.first
    assert first is not None
    body = {"title": "Diagram 0", "type": "canvas", "canvas_data": {**LARGE, "number": 0}}
    again = await restored.person.ask("POST", "/api/diagrams", body, Idempotency_Key="diagram-0")
    assert (again.status, again.body["id"]) == (first.status, first.body["id"])
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_what_was_accepted_before_the_backup_is_done_once_and_its_address_says_so(restored: Restored) -> None:
    moment = datetime.fromisoformat(restored.before.manifest["snapshot_at"])
    promised = [accepted for accepted in restored.before.accepted if accepted.at < moment]
    assert len(promised) > 50
    for accepted in promised:

        async def done(address: str = accepted.address) -> bool:
            return bool((await restored.person.ask("GET", address)).body["status"] == "succeeded")

        await eventually(done, within_seconds=20)
    titles = Counter(diagram["title"] for diagram in await restored.person.all_diagrams())
    assert {accepted.title for accepted in promised} <= set(titles)
    assert {title for title, count in titles.items() if count > 1} == set()


async def test_each_version_in_the_restored_database_can_be_read(restored: Restored) -> None:
    assert len(await _everything(restored.person)) > len(restored.before.diagrams)


async def test_the_audit_log_came_along_unbroken(restored: Restored) -> None:
    assert await _fetch(restored.stack, "SELECT auth.audit_log_broken_at()") is None
    assert await _fetch(restored.stack, "SELECT count(*) FROM auth.audit_log") >= restored.before.audited


async def test_a_producer_keeps_its_password(restored: Restored) -> None:
    here = urlsplit(restored.stack.servers().rabbitmq_url)
    credentials = urlsplit(restored.before.producer).netloc.rpartition("@")[0]
    address = urlunsplit(here._replace(netloc=f"{credentials}@{here.hostname}:{here.port}"))
    async with await aio_pika.connect(address):
        pass
    assert json.loads((await restored.stack.run("producer", "list", "--json")).stdout)[0]["name"] == "reports"


async def test_a_running_stack_is_not_restored_into(restored: Restored) -> None:
    refused = await restored.stack.run("restore", str(restored.before.backup))
    assert (refused.returncode, "already runs" in refused.stderr) == (1, True)
    assert (await restored.person.ask("GET", "/api/auth/me")).status == 200


async def test_a_backup_is_for_its_owner_only_and_names_what_is_secret(before: Before) -> None:
    for path in (before.backup, *before.backup.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    secret = {part["name"] for part in before.manifest["parts"] if part["secret"]}
    assert secret == {"postgres.dump", "broker.json", "messages.jsonl", "secrets.json"}
    assert [path.name for path in before.backup.parent.iterdir()] == [before.backup.name]  # nothing unfinished
