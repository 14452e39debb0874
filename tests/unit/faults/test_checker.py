"""The judge is judged: it must accept what held, and name what was doctored."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from tests.faults.checker import Promise, check
from tests.faults.history import Aggregate, Command, Event, History, Read, Request

CREATE, CHANGE, REFUSED, GIVEN_UP = (UUID(int=number) for number in range(1, 5))
CREATED, CHANGED = UUID(int=11), UUID(int=12)


def what_held() -> History:
    """A create and a change that succeeded, one that was refused, and one whose client gave up; all events twice."""
    heard = [Event(CREATED, CREATE, "diagram/a", 1, ("audit",)), Event(CHANGED, CHANGE, "diagram/a", 2, ("audit",))]
    return History(
        commands=[
            Command(CREATE, "ada", "diagram/a", 0.0, 1.0, accepted=True, outcome="succeeded", revision=1),
            Command(CHANGE, "ada", "diagram/a", 2.0, 3.0, accepted=True, outcome="succeeded", revision=2),
            Command(REFUSED, "ada", "diagram/a", 4.0, 5.0, accepted=False, outcome="stale_revision"),
            Command(GIVEN_UP, "bob", None, 0.0, 9.0, accepted=False),
        ],
        reads=[Read("bob", "diagram/a", 2.5, 1), Read("bob", "diagram/a", 2.5, 2), Read("bob", "diagram/a", 3.5, 2)],
        requests=[Request(0.0, 9.9, 503, allowed_seconds=10.0), Request(0.0, 99.0)],
        heard=heard + heard,
        applied={"audit": [CREATED, CHANGED]},
        inbox={CREATE: "succeeded", CHANGE: "succeeded", REFUSED: "refused"},
        aggregates={"diagram/a": Aggregate(revision=2, sequence=2, versions=(1, 2))},
        resident_bytes={"gateway": (100 << 20, 119 << 20)},
    )


def test_a_history_in_which_all_held_is_accepted() -> None:
    assert check(what_held()) == []


def lose_a_command(history: History) -> None:
    del history.inbox[CHANGE]


def refuse_what_was_told_to_succeed(history: History) -> None:
    history.inbox[CHANGE] = "refused"


def carry_out_what_was_refused(history: History) -> None:
    history.inbox[REFUSED] = "succeeded"


def lose_the_state(history: History) -> None:
    history.aggregates["diagram/a"] = Aggregate(revision=1, sequence=2, versions=(1, 2))


def carry_out_twice(history: History) -> None:
    history.heard.append(Event(UUID(int=13), CHANGE, "diagram/a", 2))


def give_one_revision_to_two(history: History) -> None:
    history.commands[0] = replace(history.commands[0], revision=2)


def do_what_nobody_asked(history: History) -> None:
    history.heard.append(Event(UUID(int=13), UUID(int=99), "diagram/b", 1))


def announce_what_was_rolled_back(history: History) -> None:
    history.heard.append(Event(UUID(int=13), REFUSED, "diagram/a", 3))


def publish_nothing(history: History) -> None:
    history.heard = [event for event in history.heard if event.id != CHANGED]
    history.applied["audit"].remove(CHANGED)


def apply_twice(history: History) -> None:
    history.applied["audit"].append(CHANGED)


def never_apply(history: History) -> None:
    history.applied["audit"].remove(CHANGED)


def skip_a_version(history: History) -> None:
    history.aggregates["diagram/a"] = Aggregate(revision=2, sequence=2, versions=(1, 3))


def show_an_old_revision(history: History) -> None:
    history.reads.append(Read("bob", "diagram/a", 3.1, 1))


def leave_events_behind(history: History) -> None:
    history.outbox = 1


def park_a_command(history: History) -> None:
    history.parked = 1


def leave_a_command_waiting(history: History) -> None:
    history.waiting = 1


def overrun_a_deadline(history: History) -> None:
    history.requests.append(Request(0.0, 10.3, 504, allowed_seconds=10.0))


def drop_an_exception(history: History) -> None:
    history.unhandled.append("Task exception was never retrieved")


def leak(history: History) -> None:
    history.resident_bytes["gateway"] = (100 << 20, 121 << 20)


@pytest.mark.parametrize(
    ("doctor", "promise"),
    [
        (lose_a_command, Promise.LOST),
        (refuse_what_was_told_to_succeed, Promise.LOST),
        (carry_out_what_was_refused, Promise.LOST),
        (lose_the_state, Promise.LOST),
        (carry_out_twice, Promise.DOUBLED),
        (give_one_revision_to_two, Promise.DOUBLED),
        (do_what_nobody_asked, Promise.UNASKED),
        (announce_what_was_rolled_back, Promise.UNASKED),
        (publish_nothing, Promise.UNHEARD),
        (apply_twice, Promise.APPLIED_ONCE),
        (never_apply, Promise.APPLIED_ONCE),
        (skip_a_version, Promise.VERSIONS),
        (show_an_old_revision, Promise.STALE),
        (leave_events_behind, Promise.LEFT_OVER),
        (park_a_command, Promise.LEFT_OVER),
        (leave_a_command_waiting, Promise.LEFT_OVER),
        (overrun_a_deadline, Promise.OVERDUE),
        (drop_an_exception, Promise.UNHANDLED),
        (leak, Promise.GROWN),
    ],
)
def test_a_doctored_history_is_rejected_by_the_promise_that_it_breaks(
    doctor: Callable[[History], None], promise: Promise
) -> None:
    history = what_held()
    doctor(history)
    assert promise in {violation.promise for violation in check(history)}


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    what_held().write(tmp_path / "history.json")
    assert History.read(tmp_path / "history.json") == what_held()
