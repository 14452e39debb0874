import pytest

from chassis.settings import SettingsInvalid, read
from workers.diagram.settings import DiagramSettings

NEEDED = {
    "AUTOGRAPH_POSTGRES_URL": "postgresql://autograph_diagram:pw@127.0.0.1/autograph",
    "AUTOGRAPH_RABBITMQ_URL": "amqp://autograph-diagram:pw@127.0.0.1/",
    "AUTOGRAPH_S3_ACCESS_KEY": "key",
    "AUTOGRAPH_S3_SECRET_KEY": "secret",
}


def test_what_has_a_default_need_not_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in NEEDED.items():
        monkeypatch.setenv(variable, value)
    settings = read(DiagramSettings)

    assert settings.side_port == 8082
    assert (settings.archive_after_seconds, settings.archive_every_seconds) == (3600, 300)


def test_an_archiver_that_never_rests_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in NEEDED.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AUTOGRAPH_ARCHIVE_EVERY_SECONDS", "0")

    with pytest.raises(SettingsInvalid, match="AUTOGRAPH_ARCHIVE_EVERY_SECONDS"):
        read(DiagramSettings)
