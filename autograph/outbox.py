"""``autograph outbox``: events that are committed and not yet published."""

import asyncio
from typing import Any

import asyncpg

from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from contracts.catalogue import WORKERS


def outbox(*, as_json: AsJson = False) -> None:
    """List the events that wait to be published, by worker and type. Usually none waits for longer than a moment."""
    show(asyncio.run(unpublished_events(installation())), as_json=as_json, nothing="Every event is published.")


async def unpublished_events(found: Installation) -> list[dict[str, Any]]:
    """*leased*: being published by a sweep. *attempts*: of the event with the most."""
    connection = await asyncpg.connect(found.servers.postgres_url, timeout=5, command_timeout=30)
    try:
        return [
            {"worker": worker, **record}
            for worker in WORKERS
            for record in await connection.fetch(_WAITING.format(schema=worker))
        ]
    finally:
        await connection.close()


_WAITING = """
    SELECT routing_key AS event, count(*) AS waiting,
           count(*) FILTER (WHERE leased_until > now()) AS leased,
           extract(epoch FROM now() - min(created_at))::float8 AS oldest_seconds,
           max(attempts) AS attempts
    FROM {schema}.outbox
    GROUP BY routing_key
    ORDER BY min(created_at)
"""
