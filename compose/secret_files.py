"""``python -m compose.secret_files FOLDER``: generates the containers' secrets once, each server's in its own folder.

Only FOLDER/operator contains all secrets. A server's folder has only what that server reads: its administrator's
password, in the server's configuration format.
"""

import argparse
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from chassis.bus.topology import MAX_MESSAGE_BYTES
from compose.local.servers import seaweedfs
from compose.local.service_users import redis_configuration
from contracts import services

SERVICES: Final = tuple(service for service in services.SERVICES if service.own_secret)
NAMES: Final = (
    "postgres", "redis", "rabbitmq", "s3", "s3-worker", "grafana", "installation", *(one.name for one in SERVICES),
)  # fmt: skip
RENEWABLE: Final = "installation"
ADMINISTRATOR: Final = "autograph-administrator"  # RabbitMQ's
S3_ADMINISTRATOR, S3_WORKER = "autographadmin00", "autographworker0"
# Each volume is mounted only in its server's container, whose user id is not the writer's: the mount restricts who can
# read the file, not its mode.
ALL_READ: Final = 0o444
OWNER_READS: Final = 0o400


def main(folder: Path, *, renew: str | None = None) -> None:
    """*renew*: ``installation`` replaces that secret and, with the next migration, every service's password.

    Other secrets cannot be replaced: servers read them only at their first start, and keys are encrypted with them.
    """
    made = _load_or_create(folder / "operator" / "secrets.json", forget=renew)
    for name, value in operators(made).items():
        write_atomically(folder / "operator" / name, value, OWNER_READS)
    for name, value in servers(made).items():
        write_atomically(folder / name, value, ALL_READ)
    print("secrets: there")  # noqa: T201 - a container's log


def _load_or_create(kept: Path, *, forget: str | None) -> dict[str, str]:
    """The existing secrets, and new ones for those that are missing."""
    before: dict[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    before.pop(forget or "", None)
    made = {name: before.get(name) or secrets.token_hex(24) for name in NAMES}
    if made != before:
        write_atomically(kept, json.dumps(made, indent=1), OWNER_READS)
    return made


def operators(made: dict[str, str]) -> dict[str, str]:
    """The variables for ``autograph migrate`` and other commands, each as a file."""
    return {
        "AUTOGRAPH_POSTGRES_URL": f"postgresql://postgres:{made['postgres']}@postgres:5432/autograph",
        "AUTOGRAPH_REDIS_URL": f"redis://:{made['redis']}@redis:6379/0",
        "AUTOGRAPH_RABBITMQ_URL": f"amqp://{ADMINISTRATOR}:{made['rabbitmq']}@rabbitmq:5672/autograph",
        "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": f"http://{ADMINISTRATOR}:{made['rabbitmq']}@rabbitmq:15672",
        "AUTOGRAPH_S3_ACCESS_KEY": S3_ADMINISTRATOR,
        "AUTOGRAPH_S3_SECRET_KEY": made["s3"],
        "AUTOGRAPH_S3_WORKER_ACCESS_KEY": S3_WORKER,
        "AUTOGRAPH_S3_WORKER_SECRET_KEY": made["s3-worker"],
        "AUTOGRAPH_INSTALLATION_SECRET": made["installation"],
        **{service.secret_variable: made[service.name] for service in SERVICES},
    }


def servers(made: dict[str, str]) -> dict[str, str]:
    """The servers' configuration files. Servers read them at their first start, so they must not change."""
    url = "http://s3:9000"
    identities = seaweedfs.identities(
        seaweedfs.S3Account(url, S3_ADMINISTRATOR, made["s3"]),
        seaweedfs.S3Account(url, S3_WORKER, made["s3-worker"]),
    )
    return {
        "postgres/password": made["postgres"],
        # No persistence: a snapshot would bring back ended sessions.
        "redis/valkey.conf": (
            f'port 6379\nrequirepass {made["redis"]}\nsave ""\nappendonly no\n'
            "maxmemory 512mb\nmaxmemory-policy volatile-lru\n"
            f"{redis_configuration(made['redis'])}"
        ),
        # A file: `docker inspect` shows passwords in the environment.
        "rabbitmq/10-autograph.conf": (
            f"default_user = {ADMINISTRATOR}\ndefault_pass = {made['rabbitmq']}\ndefault_vhost = autograph\n"
            "default_user_tags.administrator = true\nlog.console = true\nlog.console.level = warning\n"
            "vm_memory_high_watermark.absolute = 1GiB\ndisk_free_limit.absolute = 200MB\nconsumer_timeout = 1800000\n"
            f"max_message_size = {MAX_MESSAGE_BYTES}\n"
        ),
        "s3/identities.json": json.dumps(identities),
        "grafana/password": made["grafana"],
    }


def write_atomically(path: Path, text: str, mode: int) -> None:
    """Writes a file atomically: readers see the old content or the new, also after a crash.

    A crash may leave a temporary file: a dot and *path*'s name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    Path(temporary).replace(path)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="python -m compose.secret_files")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--renew", choices=[RENEWABLE])
    given = arguments.parse_args()
    main(given.folder, renew=given.renew)
