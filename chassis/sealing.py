"""Encrypts a message's secret fields to the worker that needs them (sealed boxes), and decrypts them there."""

import base64
import hmac
from collections.abc import Mapping
from typing import TypeVar
from uuid import UUID

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from pydantic import SecretStr
from pydantic_core import from_json, to_json

from contracts.message import Message
from contracts.sealed import Box, sealed_fields

MessageT = TypeVar("MessageT", bound=Message)


class Unsealable(Exception):
    """The box was encrypted to an unknown key, or made for another message, type or field."""


def seal(message: MessageT, message_id: UUID, key_id: str, public_key: bytes) -> MessageT:
    """A copy whose secrets are boxes to *public_key* (X25519, 32 bytes), valid for this message only."""
    box = SealedBox(PublicKey(public_key))
    sealed = {}
    for field in sealed_fields(type(message)):
        value = getattr(message, field)
        if isinstance(value, SecretStr):
            content = {
                "id": str(message_id), "type": message.wire_name, "field": field, "value": value.get_secret_value(),
            }  # fmt: skip
            encoded = base64.urlsafe_b64encode(box.encrypt(to_json(content))).decode("ascii").rstrip("=")
            sealed[field] = Box(key=key_id, box=encoded)
    return message.model_copy(update=sealed) if sealed else message


def unseal(message: MessageT, message_id: UUID, private_keys: Mapping[str, bytes]) -> MessageT:
    """A copy whose boxes are decrypted. Raises ``Unsealable``, whose text has nothing of the content."""
    opened = {}
    for field in sealed_fields(type(message)):
        value = getattr(message, field)
        if isinstance(value, Box):
            private_key = private_keys.get(value.key)
            if private_key is None:
                raise Unsealable(f"no key {value.key}")
            opened[field] = SecretStr(_open(value.box, private_key, str(message_id), message.wire_name, field))
    return message.model_copy(update=opened) if opened else message


def _open(box: str, private_key: bytes, message_id: str, wire_name: str, field: str) -> str:
    try:
        sealed = base64.urlsafe_b64decode(box + "=" * (-len(box) % 4))
        content = from_json(SealedBox(PrivateKey(private_key)).decrypt(sealed))
        made_for = f"{content['id']}\n{content['type']}\n{content['field']}".encode()
        value = content["value"]
    except (CryptoError, ValueError, TypeError, KeyError):
        raise Unsealable("the box cannot be opened") from None
    this = f"{message_id}\n{wire_name}\n{field}".encode()
    if not isinstance(value, str) or not hmac.compare_digest(made_for, this):
        raise Unsealable("the box was made for another message")
    return value
