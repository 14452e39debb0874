"""Which sessions may have ended: the checker must know before it reports that a session was lost."""

from dataclasses import dataclass

from tests.faults.history import SUCCEEDED, UNKNOWN
from tests.faults.session_tracker import SessionTracker


@dataclass(frozen=True, slots=True)
class Completed:
    outcome: str


def test_a_session_may_have_ended_once_its_end_is_requested() -> None:
    sessions = SessionTracker()
    with sessions.beginning() as beginning:
        beginning.completed("session/a")
    with sessions.beginning() as beginning:
        beginning.completed("session/b")
    assert not sessions.may_have_ended("session/a")

    with sessions.ending("session/a"):
        assert sessions.may_have_ended("session/a")

    assert sessions.may_have_ended("session/a")
    assert not sessions.may_have_ended("session/b")
    assert sessions.known() == ["session/a", "session/b"]


def test_all_known_sessions_may_have_ended_once_their_end_is_requested() -> None:
    sessions = SessionTracker()
    with sessions.beginning() as beginning:
        beginning.completed("session/a")

    with sessions.ending_all() as ending:
        assert sessions.may_have_ended("session/a")
        ending.completed(Completed(SUCCEEDED))

    with sessions.beginning() as beginning:
        beginning.completed("session/later")
    assert not sessions.may_have_ended("session/later")


def test_a_session_that_began_during_an_end_of_all_may_have_ended() -> None:
    sessions = SessionTracker()
    with sessions.beginning() as beginning:
        with sessions.ending_all() as ending:
            ending.completed(Completed(SUCCEEDED))
        beginning.completed("session/beside")

    assert sessions.may_have_ended("session/beside")


def test_an_end_of_all_whose_client_stopped_waiting_may_still_be_executed() -> None:
    sessions = SessionTracker()
    with sessions.ending_all() as ending:
        ending.completed(Completed(UNKNOWN))

    for name in ("session/a", "session/b"):
        with sessions.beginning() as beginning:
            beginning.completed(name)
        assert sessions.may_have_ended(name)
