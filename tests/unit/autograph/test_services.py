"""What the launcher tells each service process."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from autograph.credentials import service_password
from autograph.installation import installation_in
from autograph.services import service_specs
from autograph.settings import OperatorSettings
from compose.local.home import Home
from compose.local.server import Spec

ADMINISTRATORS = {
    "AUTOGRAPH_POSTGRES_URL": "postgresql://admin:administrators-own@db/autograph",
    "AUTOGRAPH_REDIS_URL": "redis://cache/0",
    "AUTOGRAPH_RABBITMQ_URL": "amqp://admin:administrators-own@broker/autograph",
    "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": "http://admin:administrators-own@broker:15672",
    "AUTOGRAPH_INSTALLATION_SECRET": "administrators-own" * 4,
}


def specs(folder: Path, counts: dict[str, int] | None = None) -> dict[str, Spec]:
    home = Home(folder).open()
    installation = installation_in(home, OperatorSettings(home=folder))
    return {spec.name: spec for spec in service_specs(home, installation, 8080, counts or {})}


def test_no_service_is_told_an_administrators_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ADMINISTRATORS.items():
        monkeypatch.setenv(name, value)

    for spec in specs(tmp_path).values():
        told = {name: value for name, value in spec.environment.items() if "administrators-own" in value}
        assert told == {}, spec.name


def test_each_service_is_told_what_it_uses_and_nothing_of_the_others(tmp_path: Path) -> None:
    def told(spec: Spec) -> set[str]:
        kinds = ("POSTGRES", "REDIS", "RABBITMQ", "S3", "SECRET")
        return {name for name in spec.environment if name.startswith("AUTOGRAPH_") and any(k in name for k in kinds)}

    found = specs(tmp_path)

    everybody = {"AUTOGRAPH_REDIS_URL", "AUTOGRAPH_RABBITMQ_URL"}
    store = {f"AUTOGRAPH_S3_{part}" for part in ("URL", "ACCESS_KEY", "SECRET_KEY", "REGION")}
    assert told(found["gateway"]) == everybody | {"AUTOGRAPH_GATEWAY_SECRET"}
    assert told(found["auth"]) == everybody | {"AUTOGRAPH_POSTGRES_URL", "AUTOGRAPH_AUTH_SECRET"}
    assert told(found["diagram"]) == everybody | {"AUTOGRAPH_POSTGRES_URL"} | store


def test_each_service_signs_in_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ADMINISTRATORS.items():
        monkeypatch.setenv(name, value)

    environment = specs(tmp_path)["auth"].environment

    postgres, broker = (urlsplit(environment[f"AUTOGRAPH_{name}_URL"]) for name in ("POSTGRES", "RABBITMQ"))
    assert (postgres.username, postgres.hostname) == ("autograph_auth", "db")
    assert postgres.password == service_password(ADMINISTRATORS["AUTOGRAPH_INSTALLATION_SECRET"], "postgres", "auth")
    assert (broker.username, broker.hostname) == ("autograph-auth", "broker")


def test_more_processes_of_a_service_share_its_credentials_and_no_port(tmp_path: Path) -> None:
    found = specs(tmp_path, {"diagram": 2})

    one, two = found["diagram"].environment, found["diagram-2"].environment
    assert one["AUTOGRAPH_POSTGRES_URL"] == two["AUTOGRAPH_POSTGRES_URL"]
    assert one["AUTOGRAPH_SIDE_PORT"] != two["AUTOGRAPH_SIDE_PORT"]


def test_a_secret_that_the_user_set_is_the_one_that_the_service_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGRAPH_AUTH_SECRET", "0123456789abcdef" * 4)

    assert specs(tmp_path)["auth"].environment["AUTOGRAPH_AUTH_SECRET"] == "0123456789abcdef" * 4


def test_services_find_the_database_by_way_of_its_pooler_and_the_migration_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ADMINISTRATORS | {"AUTOGRAPH_POSTGRES_POOLER_URL": "postgresql://pooler:6432/autograph"}
    ).items():
        monkeypatch.setenv(name, value)

    found = urlsplit(specs(tmp_path)["auth"].environment["AUTOGRAPH_POSTGRES_URL"])

    assert (found.username, found.hostname, found.port) == ("autograph_auth", "pooler", 6432)
    settings = OperatorSettings(home=tmp_path)
    assert installation_in(Home(tmp_path), settings).servers.postgres_url == ADMINISTRATORS["AUTOGRAPH_POSTGRES_URL"]
    assert "AUTOGRAPH_POSTGRES_POOLER_URL" not in specs(tmp_path)["auth"].environment
