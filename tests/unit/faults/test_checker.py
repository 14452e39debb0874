"""The judge is judged: it must accept what held, and name what was doctored."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.faults.checker import Promise, check
from tests.faults.history import ABSENT, BEGUN, OVER, Aggregate, Command, Event, History, Read, Request

CREATE, CHANGE, REFUSED, GIVEN_UP = (UUID(int=number) for number in range(1, 5))
CREATED, CHANGED = UUID(int=11), UUID(int=12)
SIGN_IN, OTHER_SIGN_IN, SIGN_OUT, REGISTER = (UUID(int=number) for number in range(21, 25))
STARTED, OTHER_STARTED, ENDED, REGISTERED = (UUID(int=number) for number in range(31, 35))
SESSION, OTHER, USER = f"session/{SIGN_IN}", f"session/{OTHER_SIGN_IN}", "user/ada"


def told(message: UUID, aggregate: str | None, begun_at: float, ended_at: float, **more: Any) -> Command:
    """A command that its client was told to have succeeded."""
    return Command(message, "ada", aggregate, begun_at, ended_at, accepted=True, outcome="succeeded", **more)


def what_held() -> History:
    """Changes and refusals, a client that gave up, two sessions of which one was ended; all events came twice."""
    heard = [
        Event(CREATED, CREATE, "diagram/a", 1, ("audit",)),
        Event(CHANGED, CHANGE, "diagram/a", 2, ("audit",)),
        Event(STARTED, SIGN_IN, SESSION, 1, ("audit",)),
        Event(OTHER_STARTED, OTHER_SIGN_IN, OTHER, 1, ("audit",)),
        Event(ENDED, SIGN_OUT, SESSION, 2, ("audit",)),
        Event(REGISTERED, REGISTER, USER, 1, ("audit",)),
    ]
    return History(
        commands=[
            told(CREATE, "diagram/a", 0.0, 1.0, revision=1, version=1, digest="x"),
            told(CHANGE, "diagram/a", 2.0, 3.0, revision=2, expected=1, version=2, digest="y"),
            Command(REFUSED, "ada", "diagram/a", 4.0, 5.0, accepted=False, outcome="stale_revision", revision=2),
            Command(GIVEN_UP, "bob", None, 0.0, 9.0, accepted=False),
            told(SIGN_IN, SESSION, 0.0, 0.1, revision=BEGUN, is_transient=True),
            told(OTHER_SIGN_IN, OTHER, 0.0, 0.1, revision=BEGUN, is_transient=True),
            told(SIGN_OUT, None, 3.0, 4.0, ends=(SESSION,)),
            told(REGISTER, USER, 0.0, 0.0),
        ],
        reads=[
            Read("bob", "diagram/a", 2.5, 1, digest="x"),
            Read("bob", "diagram/a", 2.5, 2, digest="y"),
            Read("bob", "diagram/a", 3.5, 2, digest="y"),
            Read("ada", SESSION, 3.5, BEGUN, may_be_gone=True),
            Read("ada", SESSION, 3.5, ABSENT, may_be_gone=True),
            Read("ada", SESSION, 4.5, ABSENT, may_be_gone=True),
            Read("ada", OTHER, 4.5, BEGUN),
        ],
        requests=[Request(0.0, 9.9, 503, allowed_seconds=10.0), Request(0.0, 99.0)],
        heard=heard + heard,
        applied={"audit": [event.id for event in heard]},
        inbox=dict.fromkeys([CREATE, CHANGE, SIGN_OUT, REGISTER], "succeeded") | {REFUSED: "refused"},
        aggregates={
            "diagram/a": Aggregate(2, 2, versions=(1, 2), digest="y", version_digests={1: "x", 2: "y"}),
            SESSION: Aggregate(revision=OVER, sequence=OVER),
            OTHER: Aggregate(revision=BEGUN, sequence=BEGUN),
            USER: Aggregate(revision=1, sequence=1),
        },
        resident_bytes={"gateway": (100 << 20, 119 << 20)},
    )  # fmt: skip


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


def show_a_session_that_was_ended(history: History) -> None:
    history.reads.append(Read("eve", SESSION, 4.1, BEGUN, may_be_gone=True))


def show_what_is_older_than_a_refusal_told(history: History) -> None:
    history.commands[2] = replace(history.commands[2], revision=3)
    history.reads.append(Read("ada", "diagram/a", 5.1, 2))


def tell_in_vain_that_there_is_no_such_session(history: History) -> None:
    history.commands.append(
        Command(GIVEN_UP, "ada", None, 5.0, 6.0, accepted=False, outcome="session_not_found", ends=(OTHER,))
    )
    history.reads.append(Read("eve", OTHER, 6.1, BEGUN))


def not_find_a_diagram(history: History) -> None:
    history.reads.append(Read("bob", "diagram/a", 3.1, ABSENT))


def sign_somebody_out(history: History) -> None:
    history.reads.append(Read("ada", OTHER, 4.1, ABSENT))


def let_a_session_live(history: History) -> None:
    history.aggregates[SESSION] = Aggregate(revision=BEGUN, sequence=OVER)


def lose_a_session(history: History) -> None:
    del history.aggregates[OTHER]


def never_announce_an_end(history: History) -> None:
    history.heard = [event for event in history.heard if event.id != ENDED]
    history.applied["audit"].remove(ENDED)


def announce_an_end_twice(history: History) -> None:
    history.heard.append(Event(UUID(int=13), SIGN_OUT, SESSION, 2))


def give_a_number_to_two_events(history: History) -> None:
    history.heard.append(Event(UUID(int=13), GIVEN_UP, "diagram/a", 2))


def let_a_stale_change_through(history: History) -> None:
    history.commands[1] = replace(history.commands[1], expected=0)


def show_other_content(history: History) -> None:
    history.reads.append(Read("bob", "diagram/a", 3.1, 2, digest="x"))


def show_what_nobody_wrote(history: History) -> None:
    history.reads.append(Read("bob", "diagram/a", 3.1, 3, digest="w"))


def keep_other_content(history: History) -> None:
    history.aggregates["diagram/a"] = replace(history.aggregates["diagram/a"], digest="z")


def keep_another_version(history: History) -> None:
    history.aggregates["diagram/a"].version_digests[1] = "y"


def fail_what_no_parking_lot_has(history: History) -> None:
    history.inbox[GIVEN_UP] = "failed"


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
        (show_a_session_that_was_ended, Promise.STALE),
        (show_what_is_older_than_a_refusal_told, Promise.STALE),
        (tell_in_vain_that_there_is_no_such_session, Promise.STALE),
        (not_find_a_diagram, Promise.MISSING),
        (sign_somebody_out, Promise.MISSING),
        (let_a_session_live, Promise.LOST),
        (lose_a_session, Promise.LOST),
        (never_announce_an_end, Promise.UNHEARD),
        (announce_an_end_twice, Promise.DOUBLED),
        (give_a_number_to_two_events, Promise.DOUBLED),
        (let_a_stale_change_through, Promise.OVERWRITTEN),
        (show_other_content, Promise.CONTENT),
        (show_what_nobody_wrote, Promise.CONTENT),
        (keep_other_content, Promise.CONTENT),
        (keep_another_version, Promise.CONTENT),
        (fail_what_no_parking_lot_has, Promise.LOST),
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
