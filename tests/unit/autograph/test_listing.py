"""Tables for people, JSON for programs."""

import json
from datetime import UTC, datetime

import pytest

from autograph.listing import show
from autograph.queues import row_of

ROW = {"queue": "x", "ready": 1234, "rate": 0.25, "since": datetime(2026, 11, 24, 1, 2, 3, 4567, UTC), "device": None}


def test_programs_get_every_figure_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show([ROW], as_json=True, nothing="Nothing.")
    assert json.loads(capsys.readouterr().out) == [ROW | {"since": "2026-11-24T01:02:03.004567+00:00"}]


def test_people_get_a_table_or_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    show([ROW], as_json=False, nothing="Nothing.")
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["queue", "ready", "rate", "since", "device"]
    assert row.split() == ["x", "1,234", "0.2", "2026-11-24", "01:02:03Z"]
    show([], as_json=False, nothing="Nothing.")
    assert capsys.readouterr().out == "Nothing.\n"


def test_a_program_gets_an_empty_array_where_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show([], as_json=True, nothing="Nothing.")
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (None, "missing"),
        ({"type": "quorum", "leader": "a", "online": []}, "no leader"),
        ({"type": "quorum", "leader": "a", "online": ["a"], "state": "running"}, "running"),
        ({"type": "classic"}, "running"),
    ],
)
def test_a_queue_says_whether_it_works(told: dict[str, object] | None, state: str) -> None:
    row = row_of("diagram.commands", told, "quorum")
    assert (row["state"], row["ready"], row["done_per_second"]) == (state, 0, 0.0)
