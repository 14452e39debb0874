"""Creates the object store's buckets, and ``autograph buckets``, which lists them."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from autograph.installation import Installation, installation
from autograph.listing import AsJson, show
from chassis.objects import s3_client
from contracts.services import BUCKETS

if TYPE_CHECKING:  # stubs
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.literals import BucketLocationConstraintType

DEFAULT_REGION: Final = "us-east-1"  # S3 does not accept it as a location constraint


def buckets(*, as_json: AsJson = False) -> None:
    """List the buckets with how much is in each. Every object is counted, which takes a second or so for 10,000."""
    with Console(stderr=True).status("counting objects"):
        rows = asyncio.run(bucket_rows(installation()))
    show(rows, as_json=as_json, nothing="There are no buckets.")


async def bucket_rows(found: Installation) -> list[dict[str, Any]]:
    """*oldest*, *newest*: when the first and last of the objects was written; None without objects."""
    store = found.servers.s3
    async with s3_client(store.url, store.access_key, store.secret_key, region=found.s3_region) as client:
        there = {bucket["Name"] for bucket in (await client.list_buckets())["Buckets"]}
        return [await _count_objects(client, name, there=name in there) for name in BUCKETS]


async def _count_objects(client: "S3Client", name: str, *, there: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"bucket": name, "state": "there" if there else "missing", "objects": 0, "bytes": 0}
    row |= {"oldest": None, "newest": None}
    if there:
        async for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for item in page.get("Contents", ()):
                row["objects"] += 1
                row["bytes"] += item["Size"]
                row["oldest"] = min(row["oldest"] or item["LastModified"], item["LastModified"])
                row["newest"] = max(row["newest"] or item["LastModified"], item["LastModified"])
    return row


async def ensure_buckets(url: str, access_key: str, secret_key: str, region: str = DEFAULT_REGION) -> list[str]:
    """Make the buckets that are missing, and return their names."""
    async with s3_client(url, access_key, secret_key, region=region) as client:
        return [bucket for bucket in BUCKETS if await _create_if_missing(client, bucket, region)]


async def _create_if_missing(client: "S3Client", bucket: str, region: str) -> bool:
    try:
        if region == DEFAULT_REGION:
            await client.create_bucket(Bucket=bucket)
        else:
            location: BucketLocationConstraintType = region  # type: ignore[assignment]  # any region, also a private store's
            await client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": location})
    except client.exceptions.BucketAlreadyOwnedByYou:
        return False
    except client.exceptions.BucketAlreadyExists:
        # Some stores also report this for one's own bucket: head_bucket fails for another account's.
        await client.head_bucket(Bucket=bucket)
        return False
    return True
