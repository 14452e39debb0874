from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from autograph.database import newest_revision
from compose.local.servers.seaweedfs import S3Account
from compose.local.stack import Servers
from tests.upgrade.expanding import expanded
from tests.upgrade.releases import Release, previous_release, this_release
from tests.upgrade.site import Site, open_site


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return previous_release(tmp_path_factory.mktemp("previous") / "code")


@pytest.fixture(scope="session")
def following(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """This release, and what the next may add to it."""
    return this_release(tmp_path_factory.mktemp("following"), expanded(newest_revision()))


@pytest.fixture
async def site(tmp_path: Path, servers: Servers, database_url: str, s3: S3Account) -> AsyncIterator[Site]:
    """Its buckets are the session's."""
    assert s3.url == servers.s3.url
    async with open_site(tmp_path, servers, database_url) as site:
        yield site
