"""Servers behind TLS with certificates of a private authority: reached where it is trusted, and else refused."""

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.chassis.tls_program import NOT_REACHED
from tests.object_store import S3
from tests.servers import REPOSITORY, Vhost
from tests.tls import Authority, make_authority, tls_in_front_of

# What the chart's `certificateAuthority` sets, which tests/manifests holds it to.
VARIABLES = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PGSSLROOTCERT")
SCHEMES = {
    "postgres": "postgresql", "pg_dump": "postgresql", "redis": "rediss", "rabbitmq": "amqps", "management": "https",
    "s3": "https",
}  # fmt: skip
HOST, OTHER_HOST = "localhost", "elsewhere.example.org"
PROGRAM = Path(__file__).with_name("tls_program.py")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def addresses(database_url: str, redis_url: str, vhost: Vhost, s3: S3) -> dict[str, str]:
    store = urlsplit(s3.url)
    return {
        "postgres": f"{database_url}?sslmode=verify-full",
        "pg_dump": f"{database_url}?sslmode=verify-full",
        "redis": redis_url,
        "rabbitmq": vhost.url,
        "management": vhost.management_url,
        "s3": store._replace(netloc=f"{s3.access_key}:{s3.secret_key}@{store.netloc}").geturl(),
    }


async def asked(engine: str, url: str, trusted: Authority) -> tuple[int, str]:
    """Exit status of a process that trusts *trusted*, and its complaint. Such variables are read once in its life."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment |= dict.fromkeys(VARIABLES, str(trusted.file)) | {"PYTHONPATH": str(REPOSITORY)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), engine, url, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, complaint.decode()


@pytest.mark.parametrize("engine", SCHEMES)
async def test_an_engine_behind_tls_is_reached_where_its_authority_is_trusted(
    engine: str, addresses: dict[str, str], authority: Authority
) -> None:
    async with tls_in_front_of(addresses[engine], authority.server(HOST), scheme=SCHEMES[engine]) as url:
        assert await asked(engine, url, authority) == (0, "")


@pytest.mark.parametrize("engine", SCHEMES)
async def test_an_engine_is_refused_where_its_authority_is_not_trusted(
    engine: str, addresses: dict[str, str], authority: Authority, tmp_path: Path
) -> None:
    async with tls_in_front_of(addresses[engine], authority.server(HOST), scheme=SCHEMES[engine]) as url:
        status, complaint = await asked(engine, url, make_authority(tmp_path))

    assert status == NOT_REACHED
    assert "certificate" in complaint.lower(), complaint


@pytest.mark.parametrize("engine", SCHEMES)
async def test_an_engine_with_the_certificate_of_another_host_is_refused(
    engine: str, addresses: dict[str, str], authority: Authority
) -> None:
    async with tls_in_front_of(addresses[engine], authority.server(OTHER_HOST), scheme=SCHEMES[engine]) as url:
        status, complaint = await asked(engine, url, authority)

    assert status == NOT_REACHED
    assert "certificate" in complaint.lower(), complaint
