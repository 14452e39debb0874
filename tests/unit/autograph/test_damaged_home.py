"""What `autograph status` and `down` say of a home whose files were damaged, where nothing runs."""

import sys
from pathlib import Path

import pytest

from autograph.__main__ import main

FILES = ("state.json", "ports.json", "secrets.json")
CONTENTS = {"empty": b"", "truncated": b'{"boot": "1234', "not JSON": b"\xff", "a list": b"[1, 2]", "zeros": bytes(9)}
DAMAGE = [*CONTENTS, "missing", "unreadable"]
NOT_RUNNING = 3


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_status_and_down_say_in_a_sentence_what_is_damaged_where_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    monkeypatch.setenv("AUTOGRAPH_HOME", str(tmp_path))
    if damage == "unreadable":
        (tmp_path / name).mkdir()  # root could read any file
    elif damage != "missing":
        (tmp_path / name).write_bytes(CONTENTS[damage])

    for command, status in (("status", NOT_RUNNING), ("down", 0)):
        monkeypatch.setattr(sys, "argv", ["autograph", command])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
        if name == "state.json" and damage == "unreadable":
            assert "state.json): make it yours" in str(ended.value.code)
            continue
        assert (ended.value.code or 0) == status
        damaged = name == "state.json" and damage in CONTENTS
        assert said.count("\n") == said.count("state.json was damaged") == int(damaged)
