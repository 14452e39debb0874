"""Diagrams of a person who has worked for years, made in one moment."""

import asyncpg

from tests.system.client import Client
from tests.system.stack import Stack

INSERT = """
    INSERT INTO diagram.files (id, owner_id, title, type, note_content, size_bytes, sequence, created_at, updated_at,
                               updated_by)
    SELECT gen_random_uuid(), $1, 'Diagram ' || to_char(number, 'FM00000'), 'note', '', 0, 1,
           now() - number * interval '1 minute', now() - number * interval '1 minute', $1
    FROM generate_series(1, $2::integer) AS number
"""


async def many_diagrams(stack: Stack, person: Client, count: int) -> None:
    """*Diagram 00001*, the one that was changed last, to *Diagram <count>*. Before the person lists any."""
    me = await person.ask("GET", "/api/auth/me")
    connection = await asyncpg.connect(stack.servers().postgres_url)
    try:
        await connection.execute(INSERT, me.body["id"], count)
    finally:
        await connection.close()
