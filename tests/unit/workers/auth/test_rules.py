"""What holds of addresses, passwords and refresh tokens."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.auth import PasswordTooLong, PasswordTooShort, email_key
from contracts.refusal import Invalid
from workers.auth.rules import Lifetimes, Verdict, check_new_password, judge

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "same",
    [
        ("anna@example.org", "ANNA@Example.ORG"),
        ("strasse@example.org", "STRAßE@example.org"),
        ("anna@example.org", "ａｎｎａ@example.org"),  # noqa: RUF001 - full-width letters are the point
        ("andré@example.org", "andre\u0301@example.org"),
        ("ΣΊΣΥΦΟΣ@example.org", "σίσυφος@example.org"),
    ],
)
def test_an_address_is_the_same_in_another_case_or_form(same: tuple[str, str]) -> None:
    assert email_key(same[0]) == email_key(same[1])


@pytest.mark.parametrize(
    "other",
    ["anna+x@example.org", "a.nna@example.org", "anna@example.com", "аnna@example.org"],  # noqa: RUF001 - a Cyrillic letter
)
def test_nothing_else_makes_addresses_the_same(other: str) -> None:
    assert email_key(other) != email_key("anna@example.org")


@given(st.text())
def test_an_address_key_is_its_own_key(text: str) -> None:
    assert email_key(email_key(text)) == email_key(text)


@pytest.mark.parametrize("password", ["12345678", "a" * 72, "é" * 36, "😀" * 18, "        "])
def test_a_password_of_8_characters_to_72_bytes_is_taken(password: str) -> None:
    check_new_password(password)


@pytest.mark.parametrize("password", ["", "1234567", "😀" * 7])
def test_a_password_of_fewer_than_8_characters_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooShort):
        check_new_password(password)


@pytest.mark.parametrize("password", ["a" * 73, "é" * 37, "😀" * 19])
def test_a_password_of_more_than_72_bytes_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooLong):
        check_new_password(password)


@pytest.mark.parametrize("password", ["password\x00", "password\ud800"])
def test_a_password_that_is_not_text_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_new_password(password)

    assert refused.value.errors[0].pointer == "/password"


def test_every_way_to_present_refresh_tokens_is_judged_as_promised() -> None:
    """All sequences of five presentations of tokens 0 to 5, against the promise in its own words."""
    for presentations in product(range(6), repeat=5):
        generation, used_generation = 0, -1
        issued, presented_before = {0}, set[int]()
        for presented in presentations:
            verdict = judge(presented, generation=generation, used_generation=used_generation, may_be_retry=True)

            if presented not in issued:
                assert verdict is Verdict.NEVER_ISSUED
                continue
            if presented not in presented_before:
                assert verdict is Verdict.ROTATE
            elif presented + 1 not in presented_before:
                assert verdict is Verdict.REPEAT
                assert presented + 1 == generation  # the same successor
            else:
                assert verdict is Verdict.REUSE
                break  # the session has ended
            presented_before.add(presented)
            issued.add(presented + 1)
            generation, used_generation = presented + 1, presented


def test_only_what_was_just_spent_is_taken_for_a_retry() -> None:
    assert judge(3, generation=4, used_generation=3, may_be_retry=False) is Verdict.REUSE
    assert judge(4, generation=4, used_generation=3, may_be_retry=False) is Verdict.ROTATE


def test_a_session_lasts_longer_when_remembered() -> None:
    lifetimes = Lifetimes(
        access_token=timedelta(hours=1), session=timedelta(hours=24), remembered_session=timedelta(days=30)
    )

    assert lifetimes.session_end(NOW, remember=False) == NOW + timedelta(hours=24)
    assert lifetimes.session_end(NOW, remember=True) == NOW + timedelta(days=30)


def test_no_access_token_outlives_its_session() -> None:
    lifetimes = Lifetimes(
        access_token=timedelta(hours=1), session=timedelta(hours=24), remembered_session=timedelta(days=30)
    )

    assert lifetimes.access_token_end(NOW, NOW + timedelta(hours=2)) == NOW + timedelta(hours=1)
    assert lifetimes.access_token_end(NOW, NOW + timedelta(minutes=5)) == NOW + timedelta(minutes=5)
