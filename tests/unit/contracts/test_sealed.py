"""A secret in a message."""

from typing import ClassVar
from uuid import UUID

import pytest
from nacl.public import PrivateKey
from pydantic import SecretStr, ValidationError

from chassis.sealing import seal, unseal
from contracts.message import Command
from contracts.sealed import (
    LONG_MAX_CHARACTERS,
    MAX_BOX,
    MAX_CHARACTERS,
    Box,
    LongSealedText,
    SealedText,
    reveal,
    sealed_fields,
)


class Enter(Command[None]):
    wire_name: ClassVar[str] = "autograph.door.enter.v1"

    password: SealedText
    otp: SealedText | None = None


def test_plain_text_is_taken_at_the_edge_only() -> None:
    entered = Enter.model_validate({"password": "hunter2"}, context={"edge": True})

    assert reveal(entered.password) == "hunter2"
    assert "hunter2" not in repr(entered)
    with pytest.raises(ValidationError):
        Enter.model_validate({"password": "hunter2"})


def test_an_unsealed_secret_cannot_be_sent() -> None:
    with pytest.raises(Exception, match="must be sealed"):
        Enter(password=SecretStr("hunter2")).model_dump_json()


def test_a_box_survives_the_wire() -> None:
    boxed = Enter(password=Box(key="k", box="abc"))

    assert Enter.model_validate_json(boxed.model_dump_json(exclude_unset=True)) == boxed
    with pytest.raises(TypeError):
        reveal(boxed.password)


def test_sealed_fields_are_found_also_where_they_are_optional() -> None:
    assert list(sealed_fields(Enter)) == ["password", "otp"]


class Connect(Command[None]):
    """As of a GitHub App, whose private key is a PEM of 1.7 kB."""

    wire_name: ClassVar[str] = "autograph.door.connect.v1"
    max_bytes: ClassVar[int] = 64 * 1024

    private_key: LongSealedText


@pytest.mark.parametrize("character", ["a", "\N{GRINNING FACE}", "\x01"])  # in JSON: one byte, four, six
def test_a_field_that_is_marked_long_takes_eight_times_as_much_and_its_message_is_not_too_large(character: str) -> None:
    key, message_id, secret = PrivateKey.generate(), UUID(int=1), character * LONG_MAX_CHARACTERS
    entered = Connect.model_validate({"private_key": secret}, context={"edge": True})

    sealed = seal(entered, message_id, "k", bytes(key.public_key))
    body = sealed.model_dump_json(exclude_unset=True)

    assert len(body) < Connect.max_message_bytes()
    assert reveal(unseal(Connect.model_validate_json(body), message_id, {"k": bytes(key)}).private_key) == secret
    with pytest.raises(ValidationError, match="at most"):
        Connect.model_validate({"private_key": secret + "a"}, context={"edge": True})


def test_a_box_that_is_longer_than_its_field_allows_is_refused() -> None:
    long = Box(key="k", box="a" * (MAX_BOX + 1))

    assert Connect.model_validate({"private_key": long.model_dump()}).private_key == long
    with pytest.raises(ValidationError, match="at most"):
        Enter.model_validate({"password": long.model_dump()})


@pytest.mark.parametrize("character", ["a", "\N{GRINNING FACE}", "\x01"])  # in JSON: one byte, four, six
def test_the_longest_secret_that_is_taken_has_room_in_its_box(character: str) -> None:
    key, message_id = PrivateKey.generate(), UUID(int=1)
    entered = Enter.model_validate({"password": character * MAX_CHARACTERS}, context={"edge": True})

    sealed = seal(entered, message_id, "k", bytes(key.public_key))
    read = Enter.model_validate_json(sealed.model_dump_json(exclude_unset=True))

    assert reveal(unseal(read, message_id, {"k": bytes(key)}).password) == character * MAX_CHARACTERS
    with pytest.raises(ValidationError, match="at most"):
        Enter.model_validate({"password": character * (MAX_CHARACTERS + 1)}, context={"edge": True})
