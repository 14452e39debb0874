"""What a process accepts from outside, and what it says of what it does not accept."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chassis.settings import (
    CommaSeparated,
    Key,
    LogFormat,
    ObjectStoreSettings,
    Port,
    PostgresSettings,
    Profile,
    RabbitmqUrl,
    RedisSettings,
    SecretUrl,
    ServiceSettings,
    SettingsInvalid,
    load,
    read,
)

SetVariables = Callable[..., None]


class ExampleSettings(ServiceSettings, PostgresSettings, ObjectStoreSettings):
    side_port: Port = 8085
    auth_secret: Key
    http_host: str = "127.0.0.1"
    origins: CommaSeparated = ()


RIGHT = {
    "POSTGRES_URL": "postgresql://autograph_auth:hunter2hunter2@db:5432/autograph",
    "RABBITMQ_URL": "amqp://autograph-auth:hunter2hunter2@mq:5672/",
    "AUTH_SECRET": "hunter2hunter2hunter2hunter2hunter2",
    "S3_ACCESS_KEY": "hunter2access",
    "S3_SECRET_KEY": "hunter2secret",
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SetVariables:
    """Sets variables; nothing else reaches the settings: no variable and no ``.env`` of the developer."""
    for name in list(os.environ):
        if name.upper().startswith("AUTOGRAPH_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def set_variables(**values: str | None) -> None:
        for name, value in values.items():
            if value is None:
                monkeypatch.delenv(f"AUTOGRAPH_{name}", raising=False)
            else:
                monkeypatch.setenv(f"AUTOGRAPH_{name}", value)

    return set_variables


def problems() -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        read(ExampleSettings)
    return caught.value.problems


def test_what_is_right_is_read(told: SetVariables) -> None:
    told(**RIGHT, POSTGRES_POOL_MIN="5", LOG_LEVEL="debug", ORIGINS="https://a.example, https://b.example")

    settings = read(ExampleSettings)

    assert settings.postgres_url.get_secret_value() == RIGHT["POSTGRES_URL"]
    assert settings.auth_secret.get_secret_value() == RIGHT["AUTH_SECRET"]
    assert (settings.postgres_pool_min, settings.postgres_pool_max, settings.redis_pool_max) == (5, 30, 50)
    assert settings.log_level == "DEBUG"
    assert settings.origins == ("https://a.example", "https://b.example")
    assert (settings.side_port, settings.drain_seconds) == (8085, 20)


def test_all_mistakes_are_reported_at_once_by_the_variables_names(told: SetVariables) -> None:
    told(
        PROFILE="moon",
        LOG_LEVEL="loud",
        POSTGRES_URL="mysql://u:hunter2@db/x",
        POSTGRES_POOL_MIN="40",
        REDIS_URL="redis://:hunter2@h:99999",
        RABBITMQ_URL_FILE="/nowhere/rabbitmq_url",
        SIDE_PORT="70000",
        DRAIN_SECONDS="soon",
        AUTH_SECRET="short",
        S3_ACCESS_KEY="x",
    )

    found = problems()

    variables = [problem.split()[0].rstrip(":").removeprefix("AUTOGRAPH_") for problem in found]
    assert sorted(variables) == [
        "AUTH_SECRET", "DRAIN_SECONDS", "LOG_LEVEL", "POSTGRES_POOL_MAX", "POSTGRES_URL", "PROFILE",
        "RABBITMQ_URL_FILE", "REDIS_URL", "S3_SECRET_KEY", "SIDE_PORT",
    ]  # fmt: skip
    assert "AUTOGRAPH_S3_SECRET_KEY is not set (nor is AUTOGRAPH_S3_SECRET_KEY_FILE)" in found
    assert "AUTOGRAPH_POSTGRES_POOL_MAX: is 30, below AUTOGRAPH_POSTGRES_POOL_MIN, which is 40" in found
    assert any("postgresql://" in problem and "mysql://u:***@db/x" in problem for problem in found)


def test_a_mistake_ends_the_process_with_status_78_and_one_message(
    told: SetVariables, capsys: pytest.CaptureFixture[str]
) -> None:
    told(**{**RIGHT, "AUTH_SECRET": "hunter2"})

    with pytest.raises(SystemExit) as left:
        load(ExampleSettings)

    assert left.value.code == 78
    assert capsys.readouterr().err == (
        "The settings have 1 mistake:\n  AUTOGRAPH_AUTH_SECRET: must have at least 32 characters\n"
    )


def test_no_secret_is_shown_by_the_settings(told: SetVariables) -> None:
    told(**RIGHT)

    settings = read(ExampleSettings)

    shown = f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert "hunter2" not in shown
    assert "postgresql://autograph_auth:***@db:5432/autograph" in shown


def test_a_postgres_and_its_standbys_are_one_url(told: SetVariables) -> None:
    url = "postgresql://u:hunter2@db-1:5432,db-2:5433/autograph?target_session_attrs=read-write"
    told(**{**RIGHT, "POSTGRES_URL": url})

    settings = read(ExampleSettings)

    assert settings.postgres_url.get_secret_value() == url
    assert "db-1:5432,db-2:5433" in str(settings.postgres_url)
    assert "hunter2" not in str(settings.postgres_url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"POSTGRES_URL": "postgresql://u:hunter2@db-1:5432,db-2:port/x"},
        {"POSTGRES_URL": "mysql://u:hunter2@db/x"},
        {"POSTGRES_URL": "postgresql://u:hunter2@db:port/x"},
        {"POSTGRES_URL": "u:hunter2@db/x"},
        {"RABBITMQ_URL": "amqp://u:12/hunter2@mq/"},
        {"RABBITMQ_URL": "amqp://u:hunter2@/"},
        {"AUTH_SECRET": "hunter2"},
        {"REDIS_URL": "http://h/?password=hunter2"},
        {"SIDE_PORT": "hunter2"},
    ],
)
def test_no_secret_is_shown_by_a_mistake(told: SetVariables, wrong: dict[str, str]) -> None:
    told(**{**RIGHT, **wrong})

    with pytest.raises(SettingsInvalid) as caught:
        read(ExampleSettings)
    with pytest.raises(ValidationError) as from_pydantic:
        ExampleSettings()

    shown = "".join(traceback.format_exception(caught.value))
    assert f"AUTOGRAPH_{next(iter(wrong))}: " in shown
    assert "hunter2" not in shown
    assert "hunter2" not in str(from_pydantic.value)


@given(
    password=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1), place=st.sampled_from("pq")
)
def test_a_url_never_shows_its_password_whatever_characters_it_has(password: str, place: str) -> None:
    secret = f"SECRET{password}SECRET"
    url = f"amqp://user:{secret}@host:5672/v" if place == "p" else f"amqp://user@host/v?password={secret}"
    try:
        shown = repr(TypeAdapter[SecretUrl](RabbitmqUrl).validate_python(url))
    except ValidationError as error:
        shown = "".join(problem["msg"] for problem in error.errors())

    assert "SECRET" not in shown


@pytest.mark.parametrize(
    ("profile", "log_format", "host", "redis"),
    [
        ("local", LogFormat.CONSOLE, "127.0.0.1", "redis://127.0.0.1:6379/0"),
        ("docker", LogFormat.JSON, "0.0.0.0", "redis://redis:6379/0"),
        ("kubernetes", LogFormat.JSON, "0.0.0.0", "redis://autograph-redis:6379/0"),
    ],
)
def test_a_profile_picks_the_defaults(
    told: SetVariables, profile: str, log_format: LogFormat, host: str, redis: str
) -> None:
    told(**RIGHT, PROFILE=profile)

    settings = read(ExampleSettings)

    assert settings.profile is Profile(profile)
    assert settings.log_format is log_format
    assert settings.side_host == settings.http_host == host
    assert settings.redis_url.get_secret_value() == redis


def test_what_is_said_wins_over_the_profile(told: SetVariables, tmp_path: Path) -> None:
    told(SIDE_HOST="10.0.0.1")
    (tmp_path / ".env").write_text("AUTOGRAPH_PROFILE=docker\nAUTOGRAPH_REDIS_URL=redis://elsewhere:1/0\n")
    told(**RIGHT)

    settings = read(ExampleSettings)

    assert settings.profile is Profile.DOCKER
    assert settings.side_host == "10.0.0.1"
    assert settings.redis_url.host == "elsewhere"
    assert settings.http_host == "0.0.0.0"


def test_a_secret_may_stand_in_a_file(told: SetVariables, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x" * 40 + "\n")
    (tmp_path / "url").write_text("redis://:pw@from-file/0")
    (tmp_path / ".env").write_text("AUTOGRAPH_REDIS_URL_FILE=url\n")
    told(**{**RIGHT, "AUTH_SECRET": None}, AUTH_SECRET_FILE=str(tmp_path / "secret"))

    settings = read(ExampleSettings)

    assert settings.auth_secret.get_secret_value() == "x" * 40
    assert settings.redis_url.host == "from-file"


def test_the_environment_wins_over_its_file_and_both_over_dotenv(told: SetVariables, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://file/0")
    (tmp_path / ".env").write_text("AUTOGRAPH_REDIS_URL=redis://dotenv/0\n")

    assert host_of_redis() == "dotenv"
    told(REDIS_URL_FILE=str(tmp_path / "url"))
    assert host_of_redis() == "file"
    told(REDIS_URL="redis://environment/0")
    assert host_of_redis() == "environment"


def host_of_redis() -> str | None:
    return read(RedisSettings).redis_url.host


def test_a_file_that_is_not_text_is_a_mistake_and_not_a_crash(told: SetVariables, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    told(**{**RIGHT, "AUTH_SECRET": None}, AUTH_SECRET_FILE=str(tmp_path / "secret"))
    assert problems() == [
        f"AUTOGRAPH_AUTH_SECRET_FILE names a file that cannot be read: {tmp_path / 'secret'} (it is not UTF-8 text)"
    ]

    (tmp_path / ".env").write_bytes(b"AUTOGRAPH_PROFILE=\xff\n")
    assert problems() == [".env is not UTF-8 text"]


def test_an_empty_variable_counts_as_not_set(told: SetVariables) -> None:
    told(**{**RIGHT, "RABBITMQ_URL": ""}, SIDE_PORT="", PROFILE="")

    assert problems() == ["AUTOGRAPH_RABBITMQ_URL is not set (nor is AUTOGRAPH_RABBITMQ_URL_FILE)"]


def test_variables_of_other_processes_do_no_harm(told: SetVariables) -> None:
    told(**RIGHT, GATEWAY_SECRET="x")

    assert read(ExampleSettings).profile is Profile.LOCAL


def test_settings_do_not_change(told: SetVariables) -> None:
    told(**RIGHT)
    settings = read(ExampleSettings)

    with pytest.raises(ValidationError):
        settings.side_port = 1  # type: ignore[misc]  # mypy knows it too


def test_a_name_that_is_nearly_a_setting_is_a_mistake_with_the_nearest_name(told: SetVariables) -> None:
    told(**RIGHT, RATE_LIMT_PER_USER="5", SIDE_PORTS="1", REDIS_URL_FIL="/run/url")
    Path(".env").write_text("AUTOGRAPH_LOG_LEVL=DEBUG\nOTHER_LOG_LEVL=1\n", encoding="utf-8")

    with pytest.raises(SettingsInvalid) as refused:
        read(ExampleSettings)

    assert sorted(refused.value.problems) == [
        "AUTOGRAPH_LOG_LEVL is no setting: AUTOGRAPH_LOG_LEVEL is",
        "AUTOGRAPH_RATE_LIMT_PER_USER is no setting: AUTOGRAPH_RATE_LIMIT_PER_USER is",
        "AUTOGRAPH_REDIS_URL_FIL is no setting: AUTOGRAPH_REDIS_URL_FILE is",
        "AUTOGRAPH_SIDE_PORTS is no setting: AUTOGRAPH_SIDE_PORT is",
    ]


def test_a_slip_is_told_together_with_all_other_mistakes(told: SetVariables) -> None:
    told(**RIGHT | {"AUTH_SECRET": None}, RATE_LIMT_PER_USER="5")

    with pytest.raises(SettingsInvalid, match=r"2 mistakes"):
        read(ExampleSettings)


def test_what_a_later_release_may_know_is_named_and_no_mistake(
    told: SetVariables, capsys: pytest.CaptureFixture[str]
) -> None:
    told(**RIGHT, RENDER_PAGES="5", SIDE_PORTT="")

    load(ExampleSettings)

    assert capsys.readouterr().err == "AUTOGRAPH_RENDER_PAGES is no setting of this release, and is ignored\n"


@pytest.mark.parametrize(
    "name",
    [
        "SIGN_IN_ATTEMPTS", "BCRYPT_COST", "ARCHIVE_EVERY_SECONDS", "HOME", "INSTALLATION_SECRET_FILE",  # of others
        "GRAFANA_PORT", "OPERATOR_IMAGE", "TEST_SERVERS",  # of compose and of tests
        "REDIS_SERVICE_HOST", "REDIS_SERVICE_PORT_HTTP", "REDIS_PORT", "SIDE_PORT_80_TCP_ADDR", "REDIS_PORT_6379_TCP",
    ],
)  # fmt: skip
def test_names_of_other_parts_and_what_a_container_engine_sets_are_no_mistakes(
    told: SetVariables, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    told(**RIGHT, **{name: "1"})

    load(ExampleSettings)

    assert capsys.readouterr().err == ""
