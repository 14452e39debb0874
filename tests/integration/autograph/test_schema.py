"""What the tables themselves guarantee."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import DirectConnection

ADD_ENTRY = "INSERT INTO auth.audit_log (id, actor_kind, action, outcome) VALUES ($1, 'user', $2, 'succeeded')"
BROKEN_AT = "SELECT auth.audit_log_broken_at()"


async def an_owner(connection: DirectConnection) -> UUID:
    owner = uuid4()
    await connection.execute(
        "INSERT INTO auth.users (id, email, email_key) VALUES ($1, $2, $2)", owner, f"{owner}@example.org"
    )
    return owner


async def a_file(connection: DirectConnection, owner: UUID) -> UUID:
    file = uuid4()
    await connection.execute(
        "INSERT INTO diagram.files (id, owner_id, title, type, updated_by) VALUES ($1, $2, 'Plan', 'note', $2)",
        file,
        owner,
    )
    return file


async def test_an_address_is_registered_once(administrator: DirectConnection) -> None:
    await administrator.execute(
        "INSERT INTO auth.users (id, email, email_key) VALUES ($1, 'A@b.org', 'a@b.org')", uuid4()
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await administrator.execute(
            "INSERT INTO auth.users (id, email, email_key) VALUES ($1, 'a@B.org', 'a@b.org')", uuid4()
        )


async def test_an_owner_of_diagrams_cannot_vanish(administrator: DirectConnection) -> None:
    owner = await an_owner(administrator)
    await a_file(administrator, owner)

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await administrator.execute("DELETE FROM auth.users WHERE id = $1", owner)


async def test_a_deleted_diagram_takes_all_that_hangs_on_it(administrator: DirectConnection) -> None:
    owner = await an_owner(administrator)
    file, comment = await a_file(administrator, owner), uuid4()
    for statement in (
        "INSERT INTO diagram.versions (file_id, number, created_by) VALUES ($1, 1, $2)",
        (
            "INSERT INTO diagram.shares (id, kind, file_id, permission, user_id, created_by)"
            " VALUES ($1, 'user', $1, 'view', $2, $2)"
        ),
        (
            "INSERT INTO diagram.git_connections (id, file_id, owner_id, provider, repository, branch)"
            " VALUES ($1, $1, $2, 'github', 'team/plans', 'main')"
        ),
    ):
        await administrator.execute(statement, file, owner)
    await administrator.execute(
        "INSERT INTO diagram.comments (id, file_id, author_id, body) VALUES ($1, $2, $3, 'Why?')", comment, file, owner
    )
    await administrator.execute(
        "INSERT INTO diagram.mentions (id, comment_id, file_id, user_id, created_by) VALUES ($1, $1, $2, $3, $3)",
        comment,
        file,
        owner,
    )

    await administrator.execute("DELETE FROM diagram.files WHERE id = $1", file)

    for table in ("versions", "shares", "comments", "mentions", "git_connections"):
        left = await administrator.fetchval(f"SELECT count(*) FROM diagram.{table} WHERE file_id = $1", file)
        assert left == 0


async def test_a_version_number_is_given_once(administrator: DirectConnection) -> None:
    owner = await an_owner(administrator)
    file = await a_file(administrator, owner)
    add = "INSERT INTO diagram.versions (file_id, number, created_by) VALUES ($1, 1, $2)"
    await administrator.execute(add, file, owner)

    with pytest.raises(asyncpg.UniqueViolationError):
        await administrator.execute(add, file, owner)


@pytest.mark.parametrize(("canvas", "sha256"), [("{}", "0" * 64), (None, None)])
async def test_an_archived_version_has_its_content_in_one_place_and_a_checksum(
    administrator: DirectConnection, canvas: str | None, sha256: str | None
) -> None:
    owner = await an_owner(administrator)
    file = await a_file(administrator, owner)

    with pytest.raises(asyncpg.CheckViolationError):
        await administrator.execute(
            "INSERT INTO diagram.versions (file_id, number, canvas_data, content_sha256, object_key, created_by)"
            " VALUES ($1, 1, $2, $3, 'somewhere', $4)",
            file,
            canvas,
            sha256,
            owner,
        )


async def test_a_reply_belongs_to_the_diagram_of_its_comment(administrator: DirectConnection) -> None:
    owner = await an_owner(administrator)
    here, elsewhere = await a_file(administrator, owner), await a_file(administrator, owner)
    add = "INSERT INTO diagram.comments (id, file_id, parent_id, author_id, body) VALUES ($1, $2, $3, $4, 'Why?')"
    comment = uuid4()
    await administrator.execute(add, comment, here, None, owner)
    await administrator.execute(add, uuid4(), here, comment, owner)

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await administrator.execute(add, uuid4(), elsewhere, comment, owner)


@pytest.mark.parametrize(
    ("order", "index"),
    [
        ("updated_at DESC, id DESC", "files_owner_updated"),
        ("created_at DESC, id DESC", "files_owner_created"),
        ("lower(title), id", "files_owner_title"),
    ],
)
async def test_a_page_of_diagrams_is_read_without_sorting(
    administrator: DirectConnection, order: str, index: str
) -> None:
    owner = await an_owner(administrator)
    await administrator.execute(
        "INSERT INTO diagram.files (id, owner_id, title, type, updated_by, updated_at, created_at)"
        " SELECT gen_random_uuid(), $1, 'Plan ' || n, 'note', $1, now() - n * interval '1s', now() - n * interval '1s'"
        " FROM generate_series(1, 2000) AS n",
        owner,
    )
    await administrator.execute("ANALYZE diagram.files")

    plan = await administrator.fetch(
        f"EXPLAIN SELECT id FROM diagram.files WHERE owner_id = $1 AND deleted_at IS NULL ORDER BY {order} LIMIT 20",
        owner,
    )

    text = "\n".join(row[0] for row in plan)
    assert index in text
    assert "Sort" not in text


async def test_the_audit_log_is_a_chain(administrator: DirectConnection) -> None:
    for action in ("sign_in", "rename", "sign_out"):
        await administrator.execute(ADD_ENTRY, uuid4(), action)

    entries = await administrator.fetch("SELECT position, hash, previous_hash FROM auth.audit_log ORDER BY position")

    assert [entry["position"] for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry["previous_hash"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    assert await administrator.fetchval(BROKEN_AT) is None


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE auth.audit_log SET action = 'nothing' WHERE position = $1",
        "UPDATE auth.audit_log SET occurred_at = occurred_at - interval '1 us' WHERE position = $1",
        "UPDATE auth.audit_log SET hash = sha256('') WHERE position = $1",
        "DELETE FROM auth.audit_log WHERE position = $1",
    ],
)
async def test_tampering_breaks_the_chain(administrator: DirectConnection, tampering: str) -> None:
    for action in ("sign_in", "rename", "sign_out"):
        await administrator.execute(ADD_ENTRY, uuid4(), action)
    last = await administrator.fetchval("SELECT max(position) FROM auth.audit_log")
    await administrator.execute("SET LOCAL session_replication_role = replica")  # as who can turn triggers off

    await administrator.execute(tampering, last - 1)

    assert await administrator.fetchval(BROKEN_AT) in {last - 1, last}


@pytest.mark.parametrize(
    "change",
    ["UPDATE auth.audit_log SET outcome = 'failed'", "DELETE FROM auth.audit_log", "TRUNCATE auth.audit_log"],
)
async def test_not_even_an_administrator_changes_the_audit_log_by_mistake(
    administrator: DirectConnection, change: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await administrator.execute(change)


async def test_concurrent_writers_make_one_chain(admin_url: str) -> None:
    async def write(connection: DirectConnection) -> None:
        for _ in range(10):
            async with connection.transaction():
                await connection.execute(ADD_ENTRY, uuid4(), "sign_in")

    connections = [await asyncpg.connect(admin_url) for _ in range(4)]
    await asyncio.gather(*(write(connection) for connection in connections))

    assert await connections[0].fetchval("SELECT max(position) FROM auth.audit_log") == 40
    assert await connections[0].fetchval(BROKEN_AT) is None
    for connection in connections:
        await connection.close()
