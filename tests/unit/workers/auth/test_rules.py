"""What holds of addresses, passwords and refresh tokens."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.auth.accounts import PasswordTooCommon, PasswordTooLong, PasswordTooShort, email_key
from contracts.refusal import Invalid
from workers.auth.rules import (
    Lifetimes,
    RefreshDecision,
    check_new_address,
    check_new_password,
    common_passwords,
    decide_refresh,
)

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


@pytest.mark.parametrize(
    "address",
    [
        "an\u200bna@example.org",  # a zero-width space
        "anna\u200d@example.org",
        "anna@exam\u00adple.org",  # a soft hyphen
        "anna\u202egro.elpmaxe@x.org",  # written right to left from here
        "\u2066anna\u2069@example.org",
        "anna\ufe0f@example.org",
        "anna\u3164@example.org",
        "anna,bert@example.org",
        "anna;bert@example.org",
        "anna\uff0cbert@example.org",  # a full-width comma, whose key has a plain one
        "anna\uff20example.com@example.org",  # and a full-width @
        "<anna@example.org>",
        '"anna"@example.org',
    ],
)
def test_an_address_that_looks_like_another_makes_no_account(address: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_new_address(address)

    assert refused.value.errors[0].pointer == "/email"


@pytest.mark.parametrize(
    "address",
    ["anna@example.org", "a.n+n-a_o'x@example.org", "аnna@пример.рф", "andre\u0301@example.org", "अन्ना@उदाहरण.भारत"],  # noqa: RUF001 - other scripts
)
def test_an_address_of_any_script_makes_an_account(address: str) -> None:
    check_new_address(address)


ANNA = "anna.karenina@example.org"


@pytest.mark.parametrize("password", ["correcth", "a" * 1_024, "é" * 512, "😀" * 256, "        a", "e\u0301" * 512])
def test_a_password_of_8_characters_to_1024_bytes_is_taken(password: str) -> None:
    check_new_password(password, ANNA)


@pytest.mark.parametrize(
    "password",
    [
        *("password", "Password", "12345678", "qwertyuiop", "ILOVEYOU", "trustno1"),
        *("        ", "\u3000" * 8, " \u00a0 \u00a0 \u00a0 \u00a0"),
        *(ANNA, ANNA.upper(), "anna.karenina", "ANNA.Karenina"),
    ],
)
def test_a_password_that_anybody_would_guess_first_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooCommon):
        check_new_password(password, ANNA)


def test_the_list_has_what_asvs_asks_for() -> None:
    long_enough = [password for password in common_passwords() if len(password) >= 8]
    assert len(long_enough) == len(common_passwords()) > 3_000
    assert not any(password.startswith("#") for password in long_enough)


@pytest.mark.parametrize("password", ["", "1234567", "😀" * 7])
def test_a_password_of_fewer_than_8_characters_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooShort):
        check_new_password(password, ANNA)


@pytest.mark.parametrize("password", ["a" * 1_025, "é" * 513, "😀" * 257])
def test_a_password_of_more_than_1024_bytes_is_refused(password: str) -> None:
    with pytest.raises(PasswordTooLong):
        check_new_password(password, ANNA)


@pytest.mark.parametrize("password", ["password\x00", "password\ud800"])
def test_a_password_that_is_not_text_is_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_new_password(password, ANNA)

    assert refused.value.errors[0].pointer == "/password"


def test_every_way_to_present_refresh_tokens_is_judged_as_promised() -> None:
    """All sequences of five presentations of tokens 0 to 5, against the promise in its own words."""
    for presentations in product(range(6), repeat=5):
        generation, used_generation = 0, -1
        issued, presented_before = {0}, set[int]()
        for presented in presentations:
            decision = decide_refresh(
                presented, generation=generation, used_generation=used_generation, may_be_retry=True
            )

            if presented not in issued:
                assert decision is RefreshDecision.NEVER_ISSUED
                continue
            if presented not in presented_before:
                assert decision is RefreshDecision.ROTATE
            elif presented + 1 not in presented_before:
                assert decision is RefreshDecision.REPEAT
                assert presented + 1 == generation  # the same successor
            else:
                assert decision is RefreshDecision.REUSE
                break  # the session has ended
            presented_before.add(presented)
            issued.add(presented + 1)
            generation, used_generation = presented + 1, presented


def test_only_what_was_just_spent_is_taken_for_a_retry() -> None:
    assert decide_refresh(3, generation=4, used_generation=3, may_be_retry=False) is RefreshDecision.REUSE
    assert decide_refresh(4, generation=4, used_generation=3, may_be_retry=False) is RefreshDecision.ROTATE


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
