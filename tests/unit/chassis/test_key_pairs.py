"""Which key is in use, which is due, which is spent; and that private keys are unreadable at rest."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from chassis.key_pairs import KeyCipher, KeyPair, KeysUnreadable, Purpose, active, derived_key, expired_keys, is_due

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = "a secret of this test, long enough"


def key(name: str, active_from: datetime, purpose: Purpose = Purpose.SIGNING, *, retired: bool = False) -> KeyPair:
    return KeyPair(name, purpose, b"", active_from, active_from, NOW if retired else None, private=b"private")


def test_the_newest_key_that_has_come_into_use_is_the_one_to_use() -> None:
    keys = [key("old", NOW - 2 * HOUR), key("current", NOW), key("next", NOW + HOUR)]

    found = active(keys, Purpose.SIGNING, NOW)

    assert found is not None
    assert found.id == "current"


def test_neither_a_retired_key_nor_another_purposes_is_used() -> None:
    keys = [key("retired", NOW, retired=True), key("sealing", NOW, Purpose.SEALING)]

    assert active(keys, Purpose.SIGNING, NOW) is None


def test_a_key_is_due_when_there_is_none_or_the_newest_is_too_old() -> None:
    assert is_due([], Purpose.SIGNING, NOW, 30 * HOUR)
    assert is_due([key("sealing", NOW, Purpose.SEALING)], Purpose.SIGNING, NOW, 30 * HOUR)
    assert is_due([key("old", NOW - 30 * HOUR)], Purpose.SIGNING, NOW, 30 * HOUR)
    assert not is_due([key("old", NOW - 30 * HOUR), key("next", NOW + HOUR)], Purpose.SIGNING, NOW, 30 * HOUR)


def test_a_signing_key_is_spent_once_nothing_valid_can_bear_it() -> None:
    keys = [key("first", NOW - 9 * HOUR), key("second", NOW - 2 * HOUR), key("third", NOW - HOUR)]

    assert expired_keys(keys, NOW, timedelta(minutes=90)) == ["first"]
    assert expired_keys(keys, NOW, 3 * HOUR) == []


def test_a_sealing_key_is_never_spent() -> None:
    keys = [key("first", NOW - 900 * HOUR, Purpose.SEALING), key("second", NOW - 800 * HOUR, Purpose.SEALING)]

    assert expired_keys(keys, NOW, HOUR) == []


def test_a_private_key_comes_out_of_the_safe_as_it_went_in() -> None:
    private = os.urandom(32)
    encrypted = KeyCipher(SECRET).encrypt(Purpose.SIGNING, "k", private)

    assert KeyCipher(SECRET).decrypt(Purpose.SIGNING, "k", encrypted) == private
    assert private not in encrypted
    assert KeyCipher(SECRET).encrypt(Purpose.SIGNING, "k", private) != encrypted


@pytest.mark.parametrize(
    ("secret", "purpose", "key_id", "cut"),
    [
        ("another secret, also long enough", Purpose.SIGNING, "k", 0),
        (SECRET, Purpose.SEALING, "k", 0),
        (SECRET, Purpose.SIGNING, "another", 0),
        (SECRET, Purpose.SIGNING, "k", 1),
        (SECRET, Purpose.SIGNING, "k", 60),
    ],
)
def test_the_safe_opens_for_its_own_secret_key_and_contents_only(
    secret: str, purpose: Purpose, key_id: str, cut: int
) -> None:
    encrypted = KeyCipher(SECRET).encrypt(Purpose.SIGNING, "k", os.urandom(32))

    with pytest.raises(KeysUnreadable):
        KeyCipher(secret).decrypt(purpose, key_id, encrypted[: len(encrypted) - cut])


def test_no_two_uses_share_a_key() -> None:
    assert derived_key(SECRET, "one") != derived_key(SECRET, "two")


def test_a_key_pair_does_not_show_its_private_part() -> None:
    assert "private" not in repr(key("k", NOW))
