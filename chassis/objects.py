"""The object store (S3): whole objects with their checksums, or one plain word that it is unavailable."""

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
READ_TIMEOUT_SECONDS: Final = 5.0  # between two bytes of an answer
REQUEST_SECONDS: Final = 30.0  # a whole request with its retries; uploads are 10 MiB at most
PROBE_SECONDS: Final = 3.0
MAX_ATTEMPTS: Final = 2
MAX_CONNECTIONS: Final = 16
PROBE_KEY: Final = ".probe"

# Answers that say something about the store and nothing about the request (Amazon S3, error responses). Access is among
# them: a wrong key is the installation's mistake, and no message should be given up for it.
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
    """The store did not do what it was asked to, or nobody knows whether it did."""


class ObjectMissing(Exception):
    """There is no such object."""


class ObjectDamaged(Exception):
    """What the store holds is not what was put there."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    size_bytes: int
    changed_at: datetime


def is_unavailable(error: BaseException) -> bool:
    """Whether a failure of the client library speaks of the store, and not of the request."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= SERVER_ERROR or error.response.get("Error", {}).get("Code") in _UNAVAILABLE_CODES
    return isinstance(error, BotoCoreError | aiohttp.ClientError | TimeoutError | OSError)


class ObjectStore:
    """One for each process: making a client costs 0.2 s. Every method raises ``ObjectStoreUnavailable``."""

    def __init__(self, client: "S3Client", *, request_seconds: float = REQUEST_SECONDS) -> None:
        self._client = client
        self._request_seconds = request_seconds

    async def put(
        self, bucket: str, key: str, content: bytes, *, content_type: str = "application/octet-stream"
    ) -> str:
        """The content's SHA-256 in hex; the store has checked it against what arrived."""
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
        """Raises ``ObjectMissing``, and ``ObjectDamaged`` if the content is not the one of *sha256* (hex)."""
        with _translating_errors(bucket, key):
            async with asyncio.timeout(self._request_seconds):
                answer = await self._client.get_object(Bucket=bucket, Key=key)
                async with answer["Body"] as stream:
                    content = await stream.read()
        if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise ObjectDamaged(f"{bucket}/{key} has SHA-256 {found}, not {sha256}")
        return content

    async def delete(self, bucket: str, key: str) -> None:
        """What is not there is deleted already."""
        with _translating_errors(bucket, key):
            async with asyncio.timeout(self._request_seconds):
                await self._client.delete_object(Bucket=bucket, Key=key)

    async def list(self, bucket: str, prefix: str = "") -> AsyncIterator[StoredObject]:
        """In the order of their keys; what is put or deleted meanwhile may be missing or there."""
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
        """A real write and read: a store that is starting answers other questions before it can do these."""
        content = b"probe"
        with _translating_errors(bucket, PROBE_KEY):
            async with asyncio.timeout(PROBE_SECONDS):
                await self.put(bucket, PROBE_KEY, content)
                try:
                    found = await self.get(bucket, PROBE_KEY)
                except ObjectMissing as error:
                    raise ObjectStoreUnavailable(f"{bucket}/{PROBE_KEY} was put and is not there") from error
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
        request_checksum_calculation="when_required",  # put brings its own
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},  # a bucket's name in the host needs DNS that a private store does not have
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
    """Nothing is asked of the store yet: a service starts without it."""
    async with s3_client(url, access_key, secret_key, region=region, read_timeout_seconds=read_timeout_seconds) as client:
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
