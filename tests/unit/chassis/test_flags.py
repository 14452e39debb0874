"""What an operator turns on and off, and what is said to a mistake."""

import re

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from chassis.flags import STATES, Flags, as_rows, show_flags
from chassis.settings import FlagSettings, SettingsInvalid, read


@pytest.fixture(autouse=True)
def _without_a_developers_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.delenv("AUTOGRAPH_FLAGS", raising=False)
    monkeypatch.chdir(str(tmp_path))


def flags_of(text: str, monkeypatch: pytest.MonkeyPatch) -> Flags:
    monkeypatch.setenv("AUTOGRAPH_FLAGS", text)
    return read(FlagSettings).flags


def test_a_flag_that_is_not_named_is_as_it_is_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(FlagSettings).flags == Flags()
    assert flags_of("", monkeypatch) == Flags()
    assert flags_of(" archiving = off ,", monkeypatch) == Flags(archiving=False)
    assert flags_of("archiving=on,open_registration=off", monkeypatch) == Flags(open_registration=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("achiving=off", "there is no flag 'achiving' (there are open_registration, archiving"),
        ("archiving=false", "archiving is 'false', and must be on or off"),
        ("archiving", "archiving is '', and must be on or off"),
        ("archiving=on, archiving=off", "archiving is set twice"),
        ("x=on, archiving=?", "; archiving is '?'"),
    ],
)
def test_a_mistake_is_named_and_nothing_starts(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        flags_of(text, monkeypatch)

    [problem] = caught.value.problems
    assert problem.startswith("AUTOGRAPH_FLAGS: ")
    assert said in problem


def test_code_cannot_name_a_flag_that_is_not_there_nor_change_one() -> None:
    with pytest.raises(ValidationError):
        Flags(achiving=False)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Flags().archiving = False  # type: ignore[misc]


def test_every_flag_says_what_it_does_who_reads_it_and_since_when() -> None:
    for name, _, default, flag in Flags().described():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert default in STATES.values()
        assert len(flag.what) > 20
        assert flag.read_by in {"gateway", "auth", "diagram"}
        assert re.fullmatch(r"\d+\.\d+", flag.since)
        assert flag.goes is None or re.fullmatch(r"\d+\.\d+", flag.goes)


def test_each_flag_is_shown_as_it_is_by_a_metric_and_in_the_list() -> None:
    registry = CollectorRegistry()
    flags = Flags(archiving=False)

    show_flags(flags, registry)

    rows = {row["flag"]: row["state"] for row in as_rows(flags)}
    assert rows == {"open_registration": "on", "archiving": "off", "peppered_passwords": "off"}
    for name, state in rows.items():
        assert registry.get_sample_value("autograph_flag_enabled", {"flag": name}) == STATES[state]
