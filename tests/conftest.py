"""Fixtures for all tests; what needs no server starts none."""

import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from autograph.buckets import ensure_buckets
from compose.local.servers.seaweedfs import S3Account
from compose.local.stack import Servers
from tests.databases import NewDatabase, template_database, unused_database
from tests.distribution import Distribution
from tests.durations import Durations
from tests.servers import Vhost, fresh_vhost, own_redis_database, running_servers


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Distribution(getattr(config, "workerinput", None)), "distribution")
    config.pluginmanager.register(Durations(), "durations")
    # No test finds, or is found as, a stack that whoever runs the tests has running.
    os.environ["XDG_STATE_HOME"] = "/dev/null/none"
    # A run that is told to end (a CI's limit, say) stops its servers as an interrupted one does, also one that was
    # started in the background, where a shell has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda _number, _frame: signal.raise_signal(signal.SIGINT))


# How long an example takes says how busy the machine is.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


class _Unheard(logging.Handler):
    """Of what asyncio reports: callbacks that raised, whose exceptions reach nobody else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "Exception in callback" in record.getMessage():
            self.found.append(
                f"{record.getMessage()}: {record.exc_info[1]!r}" if record.exc_info else record.getMessage()
            )


@pytest.fixture(autouse=True)
def _no_callback_raises() -> Iterator[None]:
    unheard = _Unheard()
    logger = logging.getLogger("asyncio")
    logger.addHandler(unheard)
    try:
        yield
    finally:
        logger.removeHandler(unheard)
    assert not unheard.found


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with running_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """A superuser's URL of a fresh, empty database."""
    administrator = urlunsplit(urlsplit(servers.postgres_url)._replace(path="/postgres"))
    async with unused_database(administrator) as url:
        connection = await asyncpg.connect(administrator)
        try:
            await connection.execute(f'CREATE DATABASE "{url.rpartition("/")[2]}"')
        finally:
            await connection.close()
        yield url


@pytest.fixture(scope="session")
async def new_database(database_url: str) -> AsyncIterator[NewDatabase]:
    """Makes a migrated database for whoever wants one of their own."""
    async with template_database(database_url) as new_database:
        yield new_database


@pytest.fixture(scope="session")
async def vhost(servers: Servers) -> AsyncIterator[Vhost]:
    async with fresh_vhost(servers) as vhost:
        yield vhost


@pytest.fixture(scope="session")
async def redis_url(servers: Servers) -> AsyncIterator[str]:
    """Of a database that no other session uses, empty."""
    async with own_redis_database(servers) as url:
        yield url


@pytest.fixture(scope="session")
async def s3(servers: Servers) -> S3Account:
    account = servers.s3
    await ensure_buckets(account.url, account.access_key, account.secret_key, "us-east-1")
    return account
