"""The object store (S3): whole objects, with checksums."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:  # stubs
    from types_aiobotocore_s3 import S3Client

CONNECT_SECONDS: Final = 2.0
READ_TIMEOUT_SECONDS: Final = 5.0  # between two bytes of a response
REQUEST_SECONDS: Final = 30.0  # a whole request with its retries; uploads are 10 MiB at most
PROBE_SECONDS: Final = 3.0
MAX_ATTEMPTS: Final = 2
MAX_CONNECTIONS: Final = 16
PROBE_KEY: Final = ".probe"

# Error codes that concern the store and not the request (Amazon S3, error responses). Denied access is one of them: a
# wrong access key is an error of the installation, and no message should be parked for it.
_UNAVAILABLE_CODES: Final = frozenset(
    {
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "NoSuchBucket",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SignatureDoesNotMatch",
        "SlowDown",
    }
)
_MISSING: Final = frozenset({"NoSuchKey", "404"})
SERVER_ERROR: Final = 500


class ObjectStoreUnavailable(Exception):
    """The store did not carry out the request, or it is unknown whether it did."""


class ObjectMissing(Exception):
    """There is no such object."""


class ObjectDamaged(Exception):
    """The stored object is not the one that was put."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size_bytes: int
    changed_at: datetime


def is_unavailable(error: BaseException) -> bool:
    """Whether an error of the client library concerns the store and not the request."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= SERVER_ERROR or error.response.get("Error", {}).get("Code") in _UNAVAILABLE_CODES
    return isinstance(error, BotoCoreError | aiohttp.ClientError | TimeoutError | OSError)


class ObjectStore:
    """Make one for each process, as a client takes 0.2 s. Every method raises ``ObjectStoreUnavailable``."""

    def __init__(self, client: "S3Client", *, request_seconds: float = REQUEST_SECONDS) -> None:
        self._client = client
        self._request_seconds = request_seconds

    async def put(
        self, bucket: str, key: str, content: bytes, *, content_type: str = "application/octet-stream"
    ) -> str:
        """Store *content* and return its SHA-256 in hex, which the store has verified."""
        digest = hashlib.sha256(content).digest()
        with _translating_errors(bucket, key):
            async with asyncio.timeout(self._request_seconds):
                await self._client.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=content,
                    ContentType=content_type,
                    ChecksumSHA256=base64.b64encode(digest).decode("ascii"),
                )
        return digest.hex()

    async def get(self, bucket: str, key: str, *, sha256: str | None = None) -> bytes:
        """Raises ``ObjectMissing``, and ``ObjectDamaged`` if *sha256* (hex) does not match the content."""
        with _translating_errors(bucket, key):
            async with asyncio.timeout(self._request_seconds):
                answer = await self._client.get_object(Bucket=bucket, Key=key)
                async with answer["Body"] as stream:
                    content = await stream.read()
        if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise ObjectDamaged(f"{bucket}/{key} has SHA-256 {found}, not {sha256}")
        return content

    async def delete(self, bucket: str, key: str) -> None:
        """Succeeds also if there is no such object."""
        with _translating_errors(bucket, key):
            async with asyncio.timeout(self._request_seconds):
                await self._client.delete_object(Bucket=bucket, Key=key)

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[StoredObject]:
        """Objects in the order of their keys. One that is put or deleted meanwhile may be included or not."""
        following: str | None = None
        while True:
            with _translating_errors(bucket, prefix):
                async with asyncio.timeout(self._request_seconds):
                    page = await (
                        self._client.list_objects_v2(Bucket=bucket, Prefix=prefix)
                        if following is None
                        else self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, ContinuationToken=following)
                    )
            for entry in page.get("Contents", ()):
                yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"].astimezone(UTC))
            if not page["IsTruncated"]:
                return
            following = page["NextContinuationToken"]

    async def probe(self, bucket: str) -> None:
        """Write and read an object: a store that starts answers other requests before it can do these."""
        content = b"probe"
        with _translating_errors(bucket, PROBE_KEY):
            async with asyncio.timeout(PROBE_SECONDS):
                await self.put(bucket, PROBE_KEY, content)
                try:
                    found = await self.get(bucket, PROBE_KEY)
                except ObjectMissing as error:
                    raise ObjectStoreUnavailable(f"{bucket}/{PROBE_KEY} was put and is missing") from error
        if found != content:
            raise ObjectStoreUnavailable(f"{bucket}/{PROBE_KEY} reads back differently")


@asynccontextmanager
async def s3_client(
    url: str, access_key: str, secret_key: str, *, region: str, read_timeout_seconds: float = READ_TIMEOUT_SECONDS
) -> AsyncIterator["S3Client"]:
    """Connects on first use."""
    config = AioConfig(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
        max_pool_connections=MAX_CONNECTIONS,
        request_checksum_calculation="when_required",  # ``put`` computes its own
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},  # a bucket in the host name needs DNS entries that a private store lacks
    )
    async with get_session().create_client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region,
        config=config,
    ) as client:
        yield client


@asynccontextmanager
async def open_object_store(
    url: str,
    access_key: str,
    secret_key: str,
    *,
    region: str = "us-east-1",
    read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    request_seconds: float = REQUEST_SECONDS,
) -> AsyncIterator[ObjectStore]:
    """Sends no request yet: a service starts while the store is unavailable."""
    async with s3_client(
        url, access_key, secret_key, region=region, read_timeout_seconds=read_timeout_seconds
    ) as client:
        yield ObjectStore(client, request_seconds=request_seconds)


@contextmanager
def _translating_errors(bucket: str, key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _MISSING:
            raise ObjectMissing(f"{bucket}/{key}") from error
        if is_unavailable(error):
            raise ObjectStoreUnavailable(str(error)) from error
        raise
    except Exception as error:
        if is_unavailable(error):
            raise ObjectStoreUnavailable(str(error) or "no answer") from error
        raise
