"""``python -m compose.secret_files FOLDER``: makes the containers' secrets, once, each server's in its own folder.

FOLDER/operator is the only place where all are known. A server's folder has only what that server reads: its own
administrator's password, in its own form of configuration.
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
# In a volume that is mounted in one server's container only. Its program runs under a user id of its own, which is not
# the writer's: the mount decides who reads it, not the mode.
ALL_READ: Final = 0o444
OWNER_READS: Final = 0o400


def main(folder: Path, *, renew: str | None = None) -> None:
    """*renew*: ``installation`` makes that one anew, and with it, at the next migration, every service's password.

    No other can be: a server reads its own at its first start only, and the auth service's keys are encrypted with its.
    """
    made = _made(folder / "operator" / "secrets.json", forget=renew)
    for name, value in operators(made).items():
        write_whole(folder / "operator" / name, value, OWNER_READS)
    for name, value in servers(made).items():
        write_whole(folder / name, value, ALL_READ)
    print("secrets: there")  # noqa: T201 - a container's log


def _made(kept: Path, *, forget: str | None) -> dict[str, str]:
    """Those of last time, and new ones for what had none: a volume that is kept keeps what is signed with them."""
    before: dict[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    before.pop(forget or "", None)
    made = {name: before.get(name) or secrets.token_hex(24) for name in NAMES}
    if made != before:
        write_whole(kept, json.dumps(made, indent=1), OWNER_READS)
    return made


def operators(made: dict[str, str]) -> dict[str, str]:
    """For ``autograph migrate`` and the other commands: the variables, each as a file."""
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
    """What each server reads when it starts. Each is read at the first start at the latest, and so is never changed."""
    url = "http://s3:9000"
    identities = seaweedfs.identities(
        seaweedfs.Account(url, S3_ADMINISTRATOR, made["s3"]),
        seaweedfs.Account(url, S3_WORKER, made["s3-worker"]),
    )
    return {
        "postgres/password": made["postgres"],
        # Without persistence: a restored snapshot would bring back ended sessions.
        "redis/valkey.conf": (
            f'port 6379\nrequirepass {made["redis"]}\nsave ""\nappendonly no\n'
            "maxmemory 512mb\nmaxmemory-policy volatile-lru\n"
            f"{redis_configuration(made['redis'])}"
        ),
        # A file, since a password in the environment shows in `docker inspect`.
        "rabbitmq/10-autograph.conf": (
            f"default_user = {ADMINISTRATOR}\ndefault_pass = {made['rabbitmq']}\ndefault_vhost = autograph\n"
            "default_user_tags.administrator = true\nlog.console = true\nlog.console.level = warning\n"
            "vm_memory_high_watermark.absolute = 1GiB\ndisk_free_limit.absolute = 200MB\nconsumer_timeout = 1800000\n"
            f"max_message_size = {MAX_MESSAGE_BYTES}\n"
        ),
        "s3/identities.json": json.dumps(identities),
        "grafana/password": made["grafana"],
    }


def write_whole(path: Path, text: str, mode: int) -> None:
    """Or not at all: whoever reads meanwhile, or a crash, sees the old content or the new.

    A crash may leave a file whose name begins with a dot and *path*'s.
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
