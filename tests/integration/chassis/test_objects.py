"""The object store's client on a real server."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from chassis.objects import ObjectDamaged, ObjectMissing, ObjectStore, ObjectStoreUnavailable, open_object_store
from tests.integration.chassis.proxy import Proxy
from tests.object_store import S3

BUCKET = "diagrams"


@pytest.fixture
async def store(s3: S3) -> AsyncIterator[ObjectStore]:
    async with open_object_store(s3.url, s3.access_key, s3.secret_key) as store:
        yield store


@pytest.fixture
async def prefix(store: ObjectStore) -> AsyncIterator[str]:
    """Whatever is put below it is deleted."""
    prefix = f"{uuid4()}/"
    yield prefix
    for key in [stored.key async for stored in store.list(BUCKET, prefix)]:
        await store.delete(BUCKET, key)


@pytest.mark.parametrize("content", [b"", b"scene", bytes(range(256)) * 8192], ids=["empty", "small", "2 MiB"])
async def test_an_object_comes_back_as_it_went(store: ObjectStore, prefix: str, content: bytes) -> None:
    digest = await store.put(BUCKET, f"{prefix}1", content)

    assert digest == hashlib.sha256(content).hexdigest()
    assert await store.get(BUCKET, f"{prefix}1", sha256=digest) == content


async def test_content_other_than_expected_is_damage(store: ObjectStore, prefix: str) -> None:
    digest = await store.put(BUCKET, f"{prefix}1", b"scene")
    await store.put(BUCKET, f"{prefix}1", b"Scene")

    with pytest.raises(ObjectDamaged):
        await store.get(BUCKET, f"{prefix}1", sha256=digest)


async def test_what_was_never_put_is_missing(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(ObjectMissing):
        await store.get(BUCKET, f"{prefix}1")


async def test_what_is_deleted_is_missing_and_may_be_deleted_again(store: ObjectStore, prefix: str) -> None:
    await store.put(BUCKET, f"{prefix}1", b"scene")
    await store.delete(BUCKET, f"{prefix}1")
    await store.delete(BUCKET, f"{prefix}1")

    with pytest.raises(ObjectMissing):
        await store.get(BUCKET, f"{prefix}1")


async def test_a_list_has_what_is_below_the_prefix_and_its_size(store: ObjectStore, prefix: str) -> None:
    for number in range(3):
        await store.put(BUCKET, f"{prefix}{number}", b"x" * number)

    found = [(stored.key, stored.size_bytes) async for stored in store.list(BUCKET, prefix)]

    assert found == [(f"{prefix}0", 0), (f"{prefix}1", 1), (f"{prefix}2", 2)]


async def test_a_wrong_key_is_absence_and_no_bug(s3: S3) -> None:
    async with open_object_store(s3.url, s3.access_key, "wrong") as store:
        with pytest.raises(ObjectStoreUnavailable):
            await store.put(BUCKET, "1", b"scene")


async def test_a_store_that_works_passes_the_probe(store: ObjectStore) -> None:
    await store.probe(BUCKET)


async def test_a_missing_bucket_fails_the_probe(store: ObjectStore) -> None:
    with pytest.raises(ObjectStoreUnavailable):
        await store.probe("no-such-bucket")


async def test_a_refused_connection_is_absence(s3: S3, prefix: str) -> None:
    async with Proxy(s3.url) as proxy, open_object_store(proxy.url, s3.access_key, s3.secret_key) as store:
        proxy.refuse()
        with pytest.raises(ObjectStoreUnavailable):
            await store.get(BUCKET, f"{prefix}1")
        proxy.thaw()
        with pytest.raises(ObjectMissing):
            await store.get(BUCKET, f"{prefix}1")


async def test_a_silent_store_is_absence_within_the_limit(s3: S3, prefix: str) -> None:
    async with (
        Proxy(s3.url) as proxy,
        open_object_store(proxy.url, s3.access_key, s3.secret_key, request_seconds=0.3) as store,
    ):
        proxy.freeze()
        async with asyncio.timeout(3):
            with pytest.raises(ObjectStoreUnavailable):
                await store.get(BUCKET, f"{prefix}1")
            with pytest.raises(ObjectStoreUnavailable):
                await store.put(BUCKET, f"{prefix}1", b"scene")
        proxy.cut()
        proxy.thaw()
