import asyncio

import pytest
from botocore.exceptions import ClientError

from autograph.buckets import ensure_buckets
from chassis.objects import s3_client
from contracts.services import BUCKETS
from tests.object_store import S3


async def test_missing_buckets_are_made_once(s3: S3) -> None:
    async with s3_client(s3.url, s3.access_key, s3.secret_key, region="us-east-1") as client:
        await ensure_buckets(s3.url, s3.access_key, s3.secret_key)
        await client.delete_bucket(Bucket="exports")

        assert await ensure_buckets(s3.url, s3.access_key, s3.secret_key) == ["exports"]
        assert await ensure_buckets(s3.url, s3.access_key, s3.secret_key) == []
        assert {bucket["Name"] for bucket in (await client.list_buckets())["Buckets"]} >= set(BUCKETS)


async def test_buckets_made_twice_at_once_are_made(s3: S3) -> None:
    await asyncio.gather(*(ensure_buckets(s3.url, s3.access_key, s3.secret_key) for _ in range(2)))

    assert await ensure_buckets(s3.url, s3.access_key, s3.secret_key) == []


async def test_any_region_is_taken(s3: S3) -> None:
    assert await ensure_buckets(s3.url, s3.access_key, s3.secret_key, region="eu-central-1") == []


async def test_without_the_right_key_nothing_is_made_and_it_is_said(s3: S3) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        await ensure_buckets(s3.url, s3.access_key, "wrong")
