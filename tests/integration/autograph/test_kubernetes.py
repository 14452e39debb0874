"""Handing out credentials by Kubernetes' API."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from autograph.kubernetes import SecretRefused, open_secrets
from compose.local.home import OperatorError
from tests.kubernetes_api import KubernetesApi, Secret, kubernetes_api

NAMES = {"shop-gateway", "shop-auth", "shop-diagram"}
GIVEN = {
    "AUTOGRAPH_POSTGRES_URL": "postgresql://admin:admins-own@db/autograph",
    "AUTOGRAPH_REDIS_URL": "redis://:caches-own@cache/0",
    "AUTOGRAPH_RABBITMQ_URL": "amqp://admin:admins-own@broker/autograph",
    "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": "http://admin:admins-own@broker:15672",
    "AUTOGRAPH_S3_URL": "http://objects:8333",
    "AUTOGRAPH_S3_ACCESS_KEY": "store-key",
    "AUTOGRAPH_S3_SECRET_KEY": "stores-own",
    "AUTOGRAPH_INSTALLATION_SECRET": "installations-own" * 4,
    "AUTOGRAPH_AUTH_SECRET": "auths-own" * 8,
    "AUTOGRAPH_GATEWAY_SECRET": "gateways-own" * 8,
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[KubernetesApi]:
    """With the Secrets as the chart makes them, empty, and the right to patch just these."""
    async with kubernetes_api(tmp_path, may_patch=NAMES) as api:
        api.secrets |= {name: Secret({}) for name in NAMES}
        yield api


async def hand_out(api: KubernetesApi, folder: Path, **given: str) -> tuple[int, str]:
    """Exit status and all that `autograph credentials kubernetes` said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTOGRAPH_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "autograph", "credentials", "kubernetes", "shop",
        "--api", api.url, "--account", str(api.account),
        env=environment | {"AUTOGRAPH_HOME": str(folder / "none"), "PYTHONPATH": str(Path.cwd())} | given,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_each_service_gets_its_own_credentials_and_no_other(api: KubernetesApi, tmp_path: Path) -> None:
    status, said = await hand_out(api, tmp_path, **GIVEN)

    assert status == 0, said
    assert {name: sorted(secret.data) for name, secret in api.secrets.items()} == {
        "shop-gateway": ["AUTOGRAPH_GATEWAY_SECRET", "AUTOGRAPH_RABBITMQ_URL", "AUTOGRAPH_REDIS_URL"],
        "shop-auth": [
            "AUTOGRAPH_AUTH_SECRET",
            "AUTOGRAPH_POSTGRES_URL",
            "AUTOGRAPH_RABBITMQ_URL",
            "AUTOGRAPH_REDIS_URL",
        ],
        "shop-diagram": [
            "AUTOGRAPH_POSTGRES_URL",
            "AUTOGRAPH_RABBITMQ_URL",
            "AUTOGRAPH_REDIS_URL",
            "AUTOGRAPH_S3_ACCESS_KEY",
            "AUTOGRAPH_S3_SECRET_KEY",
            "AUTOGRAPH_S3_URL",
        ],
    }
    everything = str([api.values(name) for name in NAMES])
    assert "admins-own" not in everything
    assert "installations-own" not in everything
    assert api.values("shop-auth")["AUTOGRAPH_POSTGRES_URL"].startswith("postgresql://autograph_auth:")


async def test_handing_out_again_changes_nothing_and_tells_no_value(api: KubernetesApi, tmp_path: Path) -> None:
    await hand_out(api, tmp_path, **GIVEN)
    before = {name: dict(secret.data) for name, secret in api.secrets.items()}

    status, said = await hand_out(api, tmp_path, **GIVEN)

    assert status == 0, said
    assert {name: secret.data for name, secret in api.secrets.items()} == before
    assert "own" not in said


async def test_a_services_missing_secret_is_named_and_nothing_is_written(api: KubernetesApi, tmp_path: Path) -> None:
    status, said = await hand_out(api, tmp_path, **(GIVEN | {"AUTOGRAPH_AUTH_SECRET": ""}))

    assert status == 1
    assert "AUTOGRAPH_AUTH_SECRET is not set" in said
    assert not any(secret.data for secret in api.secrets.values())


async def test_an_api_that_refuses_is_quoted_without_a_value(api: KubernetesApi, tmp_path: Path) -> None:
    api.may_patch = {"shop-gateway"}

    status, said = await hand_out(api, tmp_path, **GIVEN)

    assert status == 1
    assert 'refuses Secret shop-auth (403): secrets "shop-auth" is forbidden' in " ".join(said.split())
    assert "own" not in said


async def test_an_api_that_is_away_is_a_sentence_and_no_traceback(api: KubernetesApi, tmp_path: Path) -> None:
    api.url = "https://127.0.0.1:1"

    status, said = await hand_out(api, tmp_path, **GIVEN)

    assert status == 1
    assert "Kubernetes at https://127.0.0.1:1 does not answer" in said
    assert "Traceback" not in said


async def test_a_secret_that_is_not_there_is_made_only_where_that_is_allowed(api: KubernetesApi) -> None:
    api.secrets.clear()
    async with open_secrets(api.url, api.account) as secrets:
        with pytest.raises(SecretRefused, match="cannot create"):
            await secrets.apply("shop-auth", {"A": "1"})
        api.may_create = True
        await secrets.apply("shop-auth", {"A": "1"})

    assert api.values("shop-auth") == {"A": "1"}


async def test_what_is_not_handed_out_any_more_is_removed_and_what_others_wrote_stays(api: KubernetesApi) -> None:
    api.secrets["shop-auth"] = Secret({"NOTE": "aGk="}, {"NOTE": "somebody"})
    async with open_secrets(api.url, api.account) as secrets:
        await secrets.apply("shop-auth", {"A": "1", "B": "2"})
        await secrets.apply("shop-auth", {"B": "3"})

    assert api.values("shop-auth") == {"NOTE": "hi", "B": "3"}


async def test_a_value_that_somebody_else_wrote_gives_way(api: KubernetesApi) -> None:
    api.secrets["shop-auth"] = Secret({"A": "b2xk"}, {"A": "somebody"})
    async with open_secrets(api.url, api.account) as secrets:
        await secrets.apply("shop-auth", {"A": "new"})

    assert api.values("shop-auth") == {"A": "new"}


async def test_a_server_that_the_clusters_authority_did_not_certify_gets_no_token(
    api: KubernetesApi, tmp_path: Path
) -> None:
    (tmp_path / "stranger").mkdir()
    async with kubernetes_api(tmp_path / "stranger", may_patch=NAMES) as stranger:
        async with open_secrets(stranger.url, api.account) as secrets:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await secrets.apply("shop-auth", {"A": "1"})
        assert stranger.secrets == {}


async def test_outside_a_pod_it_says_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="a service account's token"):
        async with open_secrets(account=tmp_path):
            pass
