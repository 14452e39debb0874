"""Which installation an operator's command is about."""

from pathlib import Path

import pytest

from autograph.installation import installation
from autograph.keys import rotate
from chassis.key_pairs import Purpose
from compose.local.home import OperatorError

SERVERS = {
    "AUTOGRAPH_POSTGRES_URL": "postgresql://admin:own@db/autograph",
    "AUTOGRAPH_REDIS_URL": "redis://cache/0",
    "AUTOGRAPH_RABBITMQ_URL": "amqp://admin:own@broker/autograph",
    "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": "http://admin:own@broker:15672",
    "AUTOGRAPH_S3_URL": "http://objects:8333",
    "AUTOGRAPH_S3_ACCESS_KEY": "administrators-key",
    "AUTOGRAPH_S3_SECRET_KEY": "administrators-own",
    "AUTOGRAPH_INSTALLATION_SECRET": "administrators-own" * 4,
}


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything is named by the environment, as for a container that only migrates."""
    monkeypatch.chdir(tmp_path)
    for name, value in SERVERS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AUTOGRAPH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_servers_and_secret_of_the_environment_need_no_home(no_home: Path) -> None:
    found = installation()

    assert found.servers.postgres_url == SERVERS["AUTOGRAPH_POSTGRES_URL"]
    assert found.secret == SERVERS["AUTOGRAPH_INSTALLATION_SECRET"]
    assert found.own_secrets == {}
    assert not no_home.exists()


@pytest.mark.usefixtures("no_home")
def test_what_needs_a_services_secret_says_which() -> None:
    with pytest.raises(OperatorError, match="AUTOGRAPH_AUTH_SECRET is not set"):
        rotate(Purpose.SIGNING)


def test_without_servers_and_home_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOGRAPH_HOME", str(tmp_path / "home"))

    with pytest.raises(OperatorError, match="AUTOGRAPH_INSTALLATION_SECRET"):
        installation()
