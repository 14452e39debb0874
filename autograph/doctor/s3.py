"""Checks the object store: buckets, archived versions without an object, and objects without a version."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from autograph.doctor.finding import Finding, connected, skew
from autograph.installation import Installation
from chassis.database import DirectConnection
from chassis.objects import PROBE_KEY, s3_client
from contracts.services import BUCKETS

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

ORPHAN_GRACE: Final = timedelta(days=1)  # an object is stored before its row refers to it
MAX_LISTED_KEYS: Final = 1_000  # keys without an object: further ones are only counted
_OURS: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/")


async def check(found: Installation) -> list[Finding]:
    store = found.servers.s3
    async with s3_client(store.url, store.access_key, store.secret_key, region=found.s3_region) as client:
        answer = await client.list_buckets()

        async def date() -> float:
            headers = (await client.list_buckets())["ResponseMetadata"]["HTTPHeaders"]
            return parsedate_to_datetime(headers["date"]).timestamp()

        dated = "date" in answer["ResponseMetadata"]["HTTPHeaders"]
        findings = await skew("s3", date, resolution_seconds=1.0) if dated else []
        missing = set(BUCKETS) - {bucket["Name"] for bucket in answer["Buckets"]}
        if missing:
            what = f"there is no bucket {', '.join(sorted(missing))}"
            return [*findings, Finding("bucket_missing", True, what, "autograph migrate")]
        async with connected(found.servers.postgres_url) as connection:
            async with (
                connection.transaction(isolation="repeatable_read", readonly=True),
                aclosing(_archived(connection)) as archived,
                aclosing(_stored(client)) as stored,
            ):
                comparison = await compare(archived, stored, datetime.now(UTC))
            if comparison.lost:  # permanently deleted since the rows were read?
                still = "SELECT object_key FROM diagram.versions WHERE object_key = ANY($1::text[])"
                rows = await connection.fetch(still, comparison.lost)
                gone = len(comparison.lost) - len(rows)
                comparison.lost = sorted(row["object_key"] for row in rows)
                comparison.lost_count -= gone
    return [*findings, *comparison.findings()]


async def _archived(connection: DirectConnection) -> AsyncGenerator[str]:
    """Keys in byte order, as S3 lists them."""
    query = 'SELECT object_key FROM diagram.versions WHERE object_key IS NOT NULL ORDER BY object_key COLLATE "C"'
    async for row in connection.cursor(query, prefetch=1000):
        yield row["object_key"]


async def _stored(client: "S3Client") -> AsyncGenerator[tuple[str, datetime]]:
    async for page in client.get_paginator("list_objects_v2").paginate(Bucket="diagrams"):
        for item in page.get("Contents", ()):
            if item["Key"] != PROBE_KEY:
                yield item["Key"], item["LastModified"]


@dataclass(slots=True)
class ObjectComparison:
    lost: list[str] = field(default_factory=list)
    lost_count: int = 0
    orphan: str = ""
    orphan_count: int = 0

    def findings(self) -> list[Finding]:
        findings = []
        if self.lost_count:
            what = f"{self.lost_count} archived versions have no object, first {self.lost[0]}"
            findings.append(Finding("objects_missing", True, what, "restore them from a backup"))
        if self.orphan_count:
            what = f"{self.orphan_count} objects belong to no version, first {self.orphan}"
            findings.append(Finding("objects_orphaned", False, what, "they only take up space"))
        return findings


async def compare(
    archived: AsyncIterator[str], stored: AsyncIterator[tuple[str, datetime]], now: datetime
) -> ObjectComparison:
    """Merges both lists, so that only a page of each is in memory.

    Both in the order of their bytes. *archived* is of one moment, before *stored* is listed. Stores that keep folders
    list `a-b` behind `a/b`; our own keys begin with a UUID and its folder, where that cannot differ, and others'
    keys belong to no version anyway.
    """
    comparison = ObjectComparison()

    def orphaned(key: str, at: datetime) -> None:
        if now - at > ORPHAN_GRACE:
            comparison.orphan_count += 1
            comparison.orphan = comparison.orphan or key

    def lost(key: str) -> None:
        comparison.lost_count += 1
        if len(comparison.lost) < MAX_LISTED_KEYS:
            comparison.lost.append(key)

    wanted = await anext(archived, None)
    async for key, at in stored:
        if not _OURS.match(key):
            orphaned(key, at)
            continue
        while wanted is not None and wanted < key:
            lost(wanted)
            wanted = await anext(archived, None)
        if wanted == key:
            wanted = await anext(archived, None)
        else:
            orphaned(key, at)
    while wanted is not None:
        lost(wanted)
        wanted = await anext(archived, None)
    return comparison
