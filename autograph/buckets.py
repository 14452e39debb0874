"""The object store as an administrator makes it: the buckets."""

from typing import TYPE_CHECKING, Final

from chassis.objects import s3_client

if TYPE_CHECKING:  # stubs
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.literals import BucketLocationConstraintType

BUCKETS: Final = ("diagrams", "uploads", "exports")
DEFAULT_REGION: Final = "us-east-1"  # the one that S3 does not take as a location


async def ensure_buckets(url: str, access_key: str, secret_key: str, region: str = DEFAULT_REGION) -> list[str]:
    """Make the buckets that are missing, and return their names."""
    async with s3_client(url, access_key, secret_key, region=region) as client:
        return [bucket for bucket in BUCKETS if await _made(client, bucket, region)]


async def _made(client: "S3Client", bucket: str, region: str) -> bool:
    try:
        if region == DEFAULT_REGION:
            await client.create_bucket(Bucket=bucket)
        else:
            location: BucketLocationConstraintType = region  # type: ignore[assignment]  # any region, also a private store's
            await client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": location})
    except client.exceptions.BucketAlreadyOwnedByYou:
        return False
    except client.exceptions.BucketAlreadyExists:
        # Some stores say this of one's own bucket too. Somebody else's is not to be looked at.
        await client.head_bucket(Bucket=bucket)
        return False
    return True
