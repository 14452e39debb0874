import json

import pytest
from typer.testing import CliRunner

from autograph.__main__ import app
from chassis.flags import Flags


@pytest.fixture(autouse=True)
def _without_a_developers_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))


def test_programs_get_every_flag_with_its_state_and_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAPH_FLAGS", "archiving=off")

    told = CliRunner().invoke(app, ["flags", "--json"])

    rows = {row["flag"]: row for row in json.loads(told.stdout)}
    assert rows.keys() == Flags.model_fields.keys()
    assert (rows["archiving"]["state"], rows["archiving"]["default"]) == ("off", "on")
    assert rows["open_registration"]["state"] == "on"


def test_people_get_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAPH_FLAGS", "archiving=off")

    told = CliRunner().invoke(app, ["flags"])

    lines = [line.split() for line in told.stdout.splitlines()]
    assert ["archiving", "off", "on", "diagram"] in [line[:4] for line in lines]


def test_an_unknown_flag_ends_the_command_as_it_would_end_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRAPH_FLAGS", "archivin=off")

    told = CliRunner().invoke(app, ["flags"])

    assert told.exit_code == 78
    assert "AUTOGRAPH_FLAGS: there is no flag" in told.output
