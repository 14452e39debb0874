"""Which sessions may be over: what a judge must know before it blames anybody for a session that is gone."""

from dataclasses import dataclass

from tests.faults.history import SUCCEEDED, UNKNOWN
from tests.faults.living import LivingSessions


@dataclass(frozen=True, slots=True)
class Told:
    outcome: str


def test_a_session_may_be_over_from_when_its_end_is_asked_for() -> None:
    sessions = LivingSessions()
    with sessions.beginning() as beginning:
        beginning.told("session/a")
    with sessions.beginning() as beginning:
        beginning.told("session/b")
    assert not sessions.may_be_over("session/a")

    with sessions.ending("session/a"):
        assert sessions.may_be_over("session/a")

    assert sessions.may_be_over("session/a")
    assert not sessions.may_be_over("session/b")
    assert sessions.known() == ["session/a", "session/b"]


def test_all_that_are_known_may_be_over_once_everywhere_is_asked_for() -> None:
    sessions = LivingSessions()
    with sessions.beginning() as beginning:
        beginning.told("session/a")

    with sessions.ending_all() as ending:
        assert sessions.may_be_over("session/a")
        ending.told(Told(SUCCEEDED))

    with sessions.beginning() as beginning:
        beginning.told("session/later")
    assert not sessions.may_be_over("session/later")


def test_a_session_that_began_beside_an_end_of_all_may_be_over() -> None:
    sessions = LivingSessions()
    with sessions.beginning() as beginning:
        with sessions.ending_all() as ending:
            ending.told(Told(SUCCEEDED))
        beginning.told("session/beside")

    assert sessions.may_be_over("session/beside")


def test_an_end_of_all_that_its_client_gave_up_may_still_come() -> None:
    sessions = LivingSessions()
    with sessions.ending_all() as ending:
        ending.told(Told(UNKNOWN))

    for name in ("session/a", "session/b"):
        with sessions.beginning() as beginning:
            beginning.told(name)
        assert sessions.may_be_over(name)
