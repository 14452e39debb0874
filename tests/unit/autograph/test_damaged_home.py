"""What `autograph status` and `down` say of a home whose files were damaged, where nothing runs."""

import sys
from pathlib import Path

import pytest

from autograph.__main__ import main
from compose.local.home import Home, OperatorError

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


@pytest.mark.parametrize("damage", CONTENTS)
def test_scale_says_that_the_state_is_damaged_and_not_that_the_stack_still_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("AUTOGRAPH_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["autograph", "scale", "diagram=2"])
    home = Home(tmp_path).open()
    (tmp_path / "state.json").write_bytes(CONTENTS[damage])
    with home.locked(), pytest.raises(SystemExit) as ended:
        main()

    assert str(ended.value.code).startswith("state.json was damaged (")
    assert "`autograph down` and `up` write it anew" in str(ended.value.code)


def test_a_home_in_which_a_stack_runs_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    home = Home(tmp_path).open()
    with home.locked(), pytest.raises(OperatorError, match=r"`autograph down`, or set AUTOGRAPH_HOME"), home.locked():
        pass
