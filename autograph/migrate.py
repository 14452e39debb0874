"""``autograph migrate``: brings database, broker and object store to what this release needs. Safe to repeat."""

import asyncio

from rich.console import Console

from autograph.buckets import ensure_buckets
from autograph.database import migrate_database
from autograph.installation import Installation, installation
from autograph.topology import apply_topology


def migrate() -> None:
    """Apply the schema, the broker's topology and users, and the buckets."""
    asyncio.run(apply(installation(), Console()))


async def apply(found: Installation, console: Console) -> None:
    servers = found.servers
    revisions, _, buckets = await asyncio.gather(
        migrate_database(servers.postgres_url, found.secret),
        apply_topology(servers.rabbitmq_url, servers.rabbitmq_management_url, found.secret),
        ensure_buckets(servers.s3.url, servers.s3.access_key, servers.s3.secret_key, found.s3_region),
    )
    console.print(f"schema: {', '.join(revisions) or 'up to date'}")
    console.print("topology: applied")
    console.print(f"buckets: {', '.join(buckets) or 'there'}")
