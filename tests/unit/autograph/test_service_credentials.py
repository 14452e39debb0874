"""Each service gets its own credentials as files, and nobody else's."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograph.__main__ import app
from autograph.installation import installation
from autograph.service_credentials import service_credentials, write_files
from compose.local.home import OperatorError
from contracts.services import SERVICES

OWN = "administrators-own"
ENVIRONMENT = {
    "AUTOGRAPH_POSTGRES_URL": f"postgresql://admin:{OWN}@db/autograph",
    "AUTOGRAPH_REDIS_URL": "redis://:shared@cache/0",
    "AUTOGRAPH_RABBITMQ_URL": f"amqp://admin:{OWN}@broker/autograph",
    "AUTOGRAPH_RABBITMQ_MANAGEMENT_URL": f"http://admin:{OWN}@broker:15672",
    "AUTOGRAPH_S3_URL": "http://objects:9000",
    "AUTOGRAPH_S3_ACCESS_KEY": f"{OWN}-key",
    "AUTOGRAPH_S3_SECRET_KEY": OWN,
    "AUTOGRAPH_S3_WORKER_ACCESS_KEY": "workers-key",
    "AUTOGRAPH_S3_WORKER_SECRET_KEY": "workers-secret",
    "AUTOGRAPH_INSTALLATION_SECRET": OWN * 4,
    **{service.secret_variable: f"{service.name}s-own-secret" * 4 for service in SERVICES if service.own_secret},
}
EVERYBODY = {"AUTOGRAPH_REDIS_URL", "AUTOGRAPH_RABBITMQ_URL"}


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AUTOGRAPH_HOME", str(tmp_path / "home"))


def hand_out(folder: Path) -> None:
    done = CliRunner().invoke(app, ["credentials", "files", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}


def test_each_service_has_a_folder_with_what_it_needs_and_nothing_of_the_others(tmp_path: Path) -> None:
    hand_out(tmp_path / "out")

    found = {folder.name: set(contents(folder)) for folder in (tmp_path / "out").iterdir()}
    assert set(found) == {service.name for service in SERVICES}
    assert {name: found[name] for name in ("gateway", "auth", "diagram")} == {
        "gateway": EVERYBODY | {"AUTOGRAPH_GATEWAY_SECRET"},
        "auth": EVERYBODY | {"AUTOGRAPH_POSTGRES_URL", "AUTOGRAPH_AUTH_SECRET"},
        "diagram": EVERYBODY
        | {"AUTOGRAPH_POSTGRES_URL"}
        | {f"AUTOGRAPH_S3_{part}" for part in ("URL", "ACCESS_KEY", "SECRET_KEY")},
    }


def test_no_file_has_an_administrators_secret(tmp_path: Path) -> None:
    hand_out(tmp_path / "out")

    for folder in (tmp_path / "out").iterdir():
        assert {name for name, value in contents(folder).items() if OWN in value} == set(), folder.name


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    hand_out(tmp_path / "out")

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert modes == {0o400}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path / "out").iterdir()} == {0o700}


def test_what_is_repeated_is_the_same_and_replaces_the_file_instead_of_writing_into_it(tmp_path: Path) -> None:
    hand_out(tmp_path / "out")
    first = contents(tmp_path / "out" / "auth")
    with (tmp_path / "out" / "auth" / "AUTOGRAPH_AUTH_SECRET").open(encoding="utf-8") as read_meanwhile:
        hand_out(tmp_path / "out")

        assert read_meanwhile.read() == first["AUTOGRAPH_AUTH_SECRET"]
    assert contents(tmp_path / "out" / "auth") == first


def test_what_no_service_is_told_any_more_is_removed_and_a_folder_of_the_volumes_own_stays(tmp_path: Path) -> None:
    write_files(tmp_path / "auth", {"AUTOGRAPH_FORMER": "secret"})
    (tmp_path / "auth" / "lost+found").mkdir()

    write_files(tmp_path / "auth", {"AUTOGRAPH_NEW": "secret"})

    assert {path.name for path in (tmp_path / "auth").iterdir()} == {"AUTOGRAPH_NEW", "lost+found"}


@pytest.mark.parametrize(
    ("variable", "service"), [("AUTOGRAPH_AUTH_SECRET", "auth"), ("AUTOGRAPH_GATEWAY_SECRET", "gateway")]
)
def test_a_secret_that_is_not_known_is_named_instead_of_handed_out_empty(
    variable: str, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable)

    with pytest.raises(OperatorError, match=variable):
        service_credentials(installation(), service)


def test_keys_of_the_store_for_the_worker_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGRAPH_S3_WORKER_ACCESS_KEY")

    done = CliRunner().invoke(app, ["credentials", "files", str(tmp_path / "out")])

    assert done.exit_code == 78
    assert not (tmp_path / "out").exists()


def test_what_others_keep_in_the_folder_stays(tmp_path: Path) -> None:
    for name in ("__init__.py", ".gitignore", "AUTOGRAPH_GONE"):
        (tmp_path / name).touch()

    write_files(tmp_path, {"AUTOGRAPH_REDIS_URL": "redis://"})

    assert {path.name for path in tmp_path.iterdir()} == {"__init__.py", ".gitignore", "AUTOGRAPH_REDIS_URL"}


def test_what_a_crash_left_half_written_is_removed_the_next_time_and_was_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    write_files(tmp_path, {"AUTOGRAPH_REDIS_URL": "redis://before"})
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="no space"):
            write_files(tmp_path, {"AUTOGRAPH_REDIS_URL": "redis://after"})
    assert (tmp_path / "AUTOGRAPH_REDIS_URL").read_text("utf-8") == "redis://before"
    assert len(list(tmp_path.iterdir())) == 2

    write_files(tmp_path, {"AUTOGRAPH_REDIS_URL": "redis://after"})

    assert contents(tmp_path) == {"AUTOGRAPH_REDIS_URL": "redis://after"}
