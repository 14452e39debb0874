"""What is stored of a password, and that everything that was ever stored is still recognised."""

import unicodedata

import bcrypt
import pytest

from workers.auth.hashes import Hashes
from workers.auth.rules import normalised

PEPPER, FORMER = b"p" * 32, b"f" * 32


def hashes(*peppers: bytes, cost: int = 4, peppered: bool = False, highest_cost: int = 0) -> Hashes:
    return Hashes(cost=cost, peppers=peppers or (PEPPER,), peppered=peppered, highest_cost=highest_cost)


def plain(text: str, cost: int = 4) -> str:
    """As an earlier release stored it."""
    return bcrypt.hashpw(text.encode(), bcrypt.gensalt(cost)).decode()


@pytest.mark.parametrize("password", ["x" * 73, "x" * 1_024, "é" * 512])
def test_a_long_password_counts_to_its_last_byte(password: str) -> None:
    stored = hashes().make(password)

    assert stored.startswith("$hmac-sha384$")
    assert hashes().check(password, stored) == (True, False)
    assert not hashes().check(password[:-1] + "y", stored).matches
    assert not hashes().check(password[:72], stored).matches


def test_a_short_password_is_stored_as_earlier_releases_read_it_until_the_flag_says_otherwise() -> None:
    stored = hashes().make("correct horse")
    assert bcrypt.checkpw(b"correct horse", stored.encode())

    peppered = hashes(peppered=True)
    assert peppered.check("correct horse", stored) == (True, True)
    again = peppered.make("correct horse")
    assert again.startswith("$hmac-sha384$")
    assert peppered.check("correct horse", again) == (True, False)
    assert hashes().check("correct horse", again) == (True, False), "turned off, it is still read"


def test_another_pepper_fits_nothing_and_a_former_one_is_replaced() -> None:
    stored = hashes(FORMER, peppered=True).make("correct horse")

    assert hashes(PEPPER, peppered=True).check("correct horse", stored) == (False, False)
    assert hashes(PEPPER, FORMER, peppered=True).check("correct horse", stored) == (True, True)


def test_composition_and_kinds_of_spaces_make_no_difference() -> None:
    typed = "caf\N{LATIN SMALL LETTER E WITH ACUTE}\N{NO-BREAK SPACE}au lait"
    elsewhere = unicodedata.normalize("NFD", typed).replace("\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}")
    stored = hashes().make(typed)

    assert normalised(typed) == normalised(elsewhere) == "café au lait"
    assert hashes().check(elsewhere, stored) == (True, False)
    assert not hashes().check(typed.upper(), stored).matches


def test_what_an_earlier_release_stored_as_it_was_typed_fits_and_is_replaced() -> None:
    typed = unicodedata.normalize("NFD", "café au lait")
    stored = plain(typed)

    assert hashes().check(typed, stored) == (True, True)
    assert hashes().check("café au lait", hashes().make(typed)) == (True, False)


def test_another_cost_is_replaced() -> None:
    assert hashes(cost=5).check("correct horse", plain("correct horse", 4)) == (True, True)


@pytest.mark.parametrize(("cost", "highest_cost"), [(7, 4), (4, 7)])
def test_every_check_costs_the_same_whatever_is_stored(
    monkeypatch: pytest.MonkeyPatch, cost: int, highest_cost: int
) -> None:
    """After the cost was raised, and after it was lowered."""
    judge = hashes(cost=cost, highest_cost=highest_cost)
    stored = [None, plain("correct horse", 4), plain("correct horse", 7), hashes(cost=7).make("x" * 100)]
    work = 0

    def counting(name: str) -> None:
        real = getattr(bcrypt, name)

        def counted(secret: bytes, salt_or_hash: bytes) -> object:
            nonlocal work
            work += 1 << int(salt_or_hash.split(b"$")[2])
            return real(secret, salt_or_hash)

        monkeypatch.setattr(bcrypt, name, counted)

    counting("checkpw")
    counting("hashpw")
    found = []
    for password in ("correct horse", "wrong horse", "x" * 100):
        for one in stored:
            work = 0
            judge.check(password, one)
            found.append(work)
    assert set(found) == {1 << 7}


def test_what_is_no_hash_of_ours_is_loud() -> None:
    with pytest.raises(ValueError, match="not a password hash in a known format"):
        hashes().check("correct horse", "$argon2id$v=19$x")
