"""``autograph migrate``: sets up database, broker, Redis users and buckets for this release. Safe to repeat."""

import asyncio

from rich.console import Console

from autograph.buckets import ensure_buckets
from autograph.database import migrate_database
from autograph.ingress import Producer
from autograph.installation import Installation, installation
from autograph.redis_users import apply_redis
from autograph.subscribers import Subscriber
from autograph.topology import apply_topology
from chassis.bus.headers import producer_exchange, reply_queue


def migrate() -> None:
    """Apply the schema, the broker's topology and users, and the buckets."""
    asyncio.run(apply(installation(), Console()))


async def apply(found: Installation, console: Console) -> None:
    await asyncio.gather(apply_storage(found, console), apply_broker(found, console))


async def apply_storage(found: Installation, console: Console) -> None:
    servers = found.servers
    revisions, buckets, users = await asyncio.gather(
        migrate_database(servers.postgres_url, found.secret),
        ensure_buckets(servers.s3.url, servers.s3.access_key, servers.s3.secret_key, found.s3_region),
        apply_redis(found),
    )
    console.print(f"schema: {', '.join(revisions) or 'up to date'}")
    console.print(f"buckets: {', '.join(buckets) or 'there'}")
    console.print(f"redis: {', '.join(users) or 'one user for all services'}")


async def apply_broker(found: Installation, console: Console) -> None:
    servers = found.servers
    restored = await apply_topology(servers.rabbitmq_url, servers.rabbitmq_management_url, found.secret)
    console.print("topology: applied")
    for program in restored:
        console.print(_restored(program), markup=False, soft_wrap=True)


def _restored(program: Producer | Subscriber) -> str:
    if isinstance(program, Subscriber):
        events = ", ".join(program.events) or "nothing"
        return f"subscriber {program.name}: its rights were others. It takes {events} from {program.queue}"
    return (
        f"producer {program.name}: its rights were others. It now publishes to {producer_exchange(program.user)} and "
        f"takes replies from {reply_queue(program.user, 1)}; it may send {', '.join(program.allowed) or 'nothing'}"
    )
