"""Refresh tokens: computed, compact, and nobody else's."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.auth.sessions import InvalidRefreshToken
from workers.auth.tokens import RefreshTokenSigner

SESSION = UUID("0192f3a4-0000-7000-8000-000000000001")
tokens = RefreshTokenSigner("a secret of this test, long enough")


def test_a_token_says_its_session_and_number_and_is_the_same_every_time() -> None:
    token = tokens.issue(SESSION, 7)

    assert tokens.read(token) == (SESSION, 7)
    assert tokens.issue(SESSION, 7) == token
    assert RefreshTokenSigner("a secret of this test, long enough").issue(SESSION, 7) == token
    assert len(token) <= 80


def test_a_changed_character_anywhere_makes_it_no_token() -> None:
    token = tokens.issue(SESSION, 7)

    for place in range(len(token)):
        for character in ("A", "B", "0", "."):
            changed = f"{token[:place]}{character}{token[place + 1 :]}"
            if changed != token:
                with pytest.raises(InvalidRefreshToken):
                    tokens.read(changed)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "AAAA.1.AAAA", "\ud800.1.x", "é.1.x", f"{'A' * 22}.{'9' * 5000}.x", "\x00"]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidRefreshToken):
        tokens.read(text)


@given(st.text())
def test_no_text_makes_reading_fail_in_another_way(text: str) -> None:
    with pytest.raises(InvalidRefreshToken):
        tokens.read(text)


@pytest.mark.parametrize("change", ["{0} ", " {0}", "{0}=", "{0}."])
def test_a_token_is_taken_in_one_spelling_only(change: str) -> None:
    with pytest.raises(InvalidRefreshToken):
        tokens.read(change.format(tokens.issue(SESSION, 7)))


def test_a_number_has_one_spelling() -> None:
    session, _, mac = tokens.issue(SESSION, 7).split(".")

    with pytest.raises(InvalidRefreshToken):
        tokens.read(f"{session}.07.{mac}")


def test_another_secret_makes_other_tokens() -> None:
    with pytest.raises(InvalidRefreshToken):
        tokens.read(RefreshTokenSigner("another secret of this test, long").issue(SESSION, 7))
