from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey
from pydantic import SecretStr
from pydantic_core import from_json, to_json

from chassis.sealing import Unsealable, seal, unseal
from contracts.message import Command
from contracts.sealed import Box, SealedText, reveal

KEY = PrivateKey(b"k" * 32)
OTHER_KEY = PrivateKey(b"o" * 32)
OURS = {"1": bytes(KEY)}
ID, OTHER_ID = UUID(int=1), UUID(int=2)


class Knock(Command[None]):
    wire_name: ClassVar[str] = "autograph.door.knock.v1"
    who: str
    word: SealedText
    second_word: SealedText | None = None


class Ring(Command[None]):
    wire_name: ClassVar[str] = "autograph.door.ring.v1"
    word: SealedText


def sealed(word: str, *, message_id: UUID = ID, key: PrivateKey = KEY) -> Knock:
    return seal(Knock(who="me", word=SecretStr(word)), message_id, "1", bytes(key.public_key))


@given(word=st.text(max_size=2_000))
def test_what_is_sealed_is_opened_as_it_was(word: str) -> None:
    assert reveal(unseal(sealed(word), ID, OURS).word) == word


def test_a_sealed_message_shows_nothing_of_its_secrets() -> None:
    message = sealed("open sesame")
    assert isinstance(message.word, Box)
    assert "sesame" not in f"{message!r}{message.model_dump_json()}"
    assert len(message.word.box) > len("open sesame")
    assert message.who == "me"


def test_an_opened_message_does_not_print_its_secrets() -> None:
    assert "sesame" not in repr(unseal(sealed("open sesame"), ID, OURS))


def test_a_sealed_message_is_read_back_from_json() -> None:
    document = from_json(to_json(sealed("open sesame").model_dump(mode="json", exclude_unset=True)))
    assert "second_word" not in document
    assert reveal(unseal(Knock.model_validate(document), ID, OURS).word) == "open sesame"


def test_the_same_secret_is_never_sealed_the_same_way_twice() -> None:
    assert sealed("open sesame").word != sealed("open sesame").word


def test_a_box_copied_into_another_message_is_worthless() -> None:
    with pytest.raises(Unsealable):
        unseal(sealed("open sesame"), OTHER_ID, OURS)


def test_a_box_copied_into_a_message_of_another_type_is_worthless() -> None:
    with pytest.raises(Unsealable):
        unseal(Ring(word=sealed("open sesame").word), ID, OURS)


def test_a_box_copied_into_another_field_is_worthless() -> None:
    original = sealed("open sesame")
    copied = original.model_copy(update={"second_word": original.word})
    with pytest.raises(Unsealable):
        unseal(copied, ID, OURS)


def test_a_box_to_a_key_that_is_not_ours_is_not_opened() -> None:
    with pytest.raises(Unsealable):
        unseal(sealed("open sesame", key=OTHER_KEY), ID, OURS)
    with pytest.raises(Unsealable):
        unseal(sealed("open sesame"), ID, {"2": bytes(KEY)})


@pytest.mark.parametrize("box", ["", "?", "AAAA", "é" * 20, "A" * 200])
def test_what_is_no_box_is_refused_and_not_repeated(box: str) -> None:
    with pytest.raises(Unsealable) as unsealable:
        unseal(Knock(who="me", word=Box(key="1", box=box)), ID, OURS)
    assert not box or box not in str(unsealable.value)


@given(position=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=63))
def test_a_box_that_was_changed_anywhere_is_not_opened(position: int, flip: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    message = sealed("open sesame")
    assert isinstance(message.word, Box)
    box = message.word.box
    at = position % (len(box) - 1)  # the last character has bits that mean nothing
    changed = box[:at] + alphabet[(alphabet.index(box[at]) + flip) % 64] + box[at + 1 :]
    with pytest.raises(Unsealable):
        unseal(message.model_copy(update={"word": Box(key="1", box=changed)}), ID, OURS)


def test_a_message_without_secrets_stays_as_it_is() -> None:
    opened = unseal(sealed("open sesame"), ID, OURS)
    assert unseal(opened, ID, {}) is opened
