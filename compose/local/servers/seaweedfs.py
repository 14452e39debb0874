"""SeaweedFS as the S3 server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from compose.local.home import Home
from compose.local.server import Spec
from compose.local.servers.seaweedfs_security import secure
from contracts.services import BUCKETS

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

PROBE_BUCKET = "autograph-probe"
# All ports are set: the defaults are fixed, with gRPC ports 10000 above.
PORTS = ("master", "volume", "filer", "s3", "admin")


@dataclass(frozen=True, slots=True)
class S3Account:
    url: str
    access_key: str
    secret_key: str


def url(home: Home) -> str:
    return f"http://127.0.0.1:{home.port('s3-s3')}"


def administrator(home: Home) -> S3Account:
    return S3Account(url(home), "autographadmin00", home.secret("s3"))


def worker(home: Home) -> S3Account:
    """May only read and write the three buckets."""
    return S3Account(url(home), "autographworker0", home.secret("s3-worker"))


@asynccontextmanager
async def client_of(account: S3Account) -> AsyncIterator["S3Client"]:
    """A client for probes: short timeouts, no retries."""
    async with get_session().create_client(
        "s3",
        endpoint_url=account.url,
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
        region_name="us-east-1",
        config=AioConfig(connect_timeout=2, read_timeout=2, retries={"max_attempts": 1}),
    ) as client:
        yield client


def spec(home: Home, wheel: Path) -> Spec:
    folder = home.subfolder("s3")
    configuration = folder / "identities.json"
    configuration.touch(mode=0o600)
    configuration.write_text(json.dumps(identities(administrator(home), worker(home))), encoding="utf-8")
    secure(folder)
    ports = {f"{name}.port": home.port(f"s3-{name}") for name in PORTS}
    ports |= {f"{name}.port.grpc": home.port(f"s3-{name}-grpc") for name in PORTS}
    # Relative paths: a socket's path may have only 107 bytes, and a comma separates folders.
    # Telemetry, an admin page, WebDAV, further APIs and deleting non-empty buckets are on by default.
    options = {
        "dir": ".", "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "master.telemetry": "false", "admin.ui": "false",
        "webdav": "false", "filer.localSocket": "f.sock", "s3.localSocket": "s.sock",
        "s3.port.iceberg": 0, "s3.port.lance": 0, "s3.config": configuration.name, "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false", "disableHttp": "true", **ports,
    }  # fmt: skip
    account = administrator(home)

    async def ready() -> None:
        # The server answers before the store works: ready is when an object can be written and read back.
        async with client_of(account) as client:
            found = await client.list_buckets()
            if PROBE_BUCKET not in {bucket["Name"] for bucket in found["Buckets"]}:
                await client.create_bucket(Bucket=PROBE_BUCKET)
            await client.put_object(Bucket=PROBE_BUCKET, Key="probe", Body=b"ready")
            stored = await client.get_object(Bucket=PROBE_BUCKET, Key="probe")
            await stored["Body"].read()

    return Spec(
        name="s3",
        command=(
            str(wheel / "bin" / "weed"),
            "-logtostderr=true",
            "mini",
            *(f"-{name}={value}" for name, value in options.items()),
        ),
        environment={"HOME": str(folder), "TMPDIR": str(folder), "PATH": "/usr/bin:/bin"},
        folder=folder,
        ready=ready,
        address=account.url,
        leaves=tuple(Path(f"/tmp/seaweedfs-{name}-grpc-{home.port(f's3-{name}-grpc')}.sock") for name in PORTS),  # noqa: S108 - SeaweedFS
    )


def identities(administrators: S3Account, workers: S3Account) -> dict[str, list[dict[str, Any]]]:
    """Permissions for ``-s3.config``: a worker may use the buckets, but not create or delete one."""
    rights = [f"{right}:{bucket}" for bucket in BUCKETS for right in ("Read", "Write", "List", "Tagging")]
    return {
        "identities": [
            {
                "name": name,
                "credentials": [{"accessKey": account.access_key, "secretKey": account.secret_key}],
                "actions": actions,
            }
            for name, account, actions in (
                ("administrator", administrators, ["Admin", "Read", "Write", "List", "Tagging"]),
                ("worker", workers, rights),
            )
        ]
    }
