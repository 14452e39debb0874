"""A secret in a message."""

from typing import ClassVar
from uuid import UUID

import pytest
from nacl.public import PrivateKey
from pydantic import SecretStr, ValidationError

from chassis.sealing import seal, unseal
from contracts.message import Command
from contracts.sealed import MAX_CHARACTERS, Box, SealedText, reveal, sealed_fields


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


@pytest.mark.parametrize("character", ["a", "\N{GRINNING FACE}", "\x01"])  # in JSON: one byte, four, six
def test_the_longest_secret_that_is_taken_has_room_in_its_box(character: str) -> None:
    key, message_id = PrivateKey.generate(), UUID(int=1)
    entered = Enter.model_validate({"password": character * MAX_CHARACTERS}, context={"edge": True})

    sealed = seal(entered, message_id, "k", bytes(key.public_key))
    read = Enter.model_validate_json(sealed.model_dump_json(exclude_unset=True))

    assert reveal(unseal(read, message_id, {"k": bytes(key)}).password) == character * MAX_CHARACTERS
    with pytest.raises(ValidationError, match="at most"):
        Enter.model_validate({"password": character * (MAX_CHARACTERS + 1)}, context={"edge": True})
