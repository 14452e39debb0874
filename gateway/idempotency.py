"""Idempotency keys and command addresses: ids that any gateway can compute, so that none needs to be stored."""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from contracts.envelope import Actor
from contracts.outcome import OUTCOME_DAYS
from gateway.problems import HttpProblem

OUTCOME_TTL_SECONDS = OUTCOME_DAYS * 86_400
MAC_BYTES = 16
FINGERPRINT = "request"  # in the query of a command's address
_FINGERPRINT = re.compile(r"[A-Za-z0-9_-]{22}")
_KEY = re.compile(r"^[\x21\x23-\x7e]{1,255}$")  # visible ASCII without the quote
_ADDRESS = re.compile(r"^([a-z]{1,32})\.([0-9a-f-]{36})\.([A-Za-z0-9_-]{27,28})$")


def read_key(header: str) -> str:
    """The Idempotency-Key, quoted (the IETF draft's form) or bare. Raises ``HttpProblem``."""
    value = header.strip()
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    if not _KEY.match(value):
        raise HttpProblem("malformed_header", "Idempotency-Key takes 1 to 255 visible ASCII characters")
    return value


def read_fingerprint(query: Mapping[str, str]) -> str | None:
    """The fingerprint in a command's address, if its request had a key. Raises ``HttpProblem``: 404 if malformed."""
    fingerprint = query.get(FINGERPRINT)
    if fingerprint is not None and not _FINGERPRINT.fullmatch(fingerprint):
        raise HttpProblem("not_found")
    return fingerprint


def message_id(actor: Actor, method: str, path: str, key: str) -> UUID:
    """UUIDv8 (RFC 9562 5.8): a retry has the same message id at every gateway."""
    return _uuid8(hashlib.sha256(f"{actor.key}\n{method}\n{path}\n{key}".encode()).digest())


class Signer:
    """*secret*: the same for all gateways of an installation."""

    def __init__(self, secret: str, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self.clock = clock

    def fingerprint(self, method: str, target: str, preconditions: str, body: bytes) -> str:
        """Tells requests with the same key apart: another fingerprint is another request."""
        before = b"\0".join(
            (b"fingerprint", method.encode(), target.encode(), preconditions.encode("utf-8", "replace"), b"")
        )
        mac = hmac.new(self._secret, before, "sha256")
        mac.update(body)  # may be large: update() does not copy it
        return _text(mac.digest()[:MAC_BYTES])

    def anonymous_id(self, address: str) -> UUID:
        """The actor id of an anonymous caller: derived from the address, but does not reveal it."""
        return _uuid8(self._mac(b"anonymous", address.encode()))

    def subject(self, account: str, address: str) -> str:
        """A limit's key for an account and an address, which reveals neither."""
        return _text(self._mac(b"subject", f"{account}\0{address}".encode("utf-8", "replace")))

    def address(self, worker: str, command_id: UUID, actor: Actor, *, now: float | None = None) -> str:
        """The address of a command's outcome: only *actor* may read it, for as long as outcomes are kept."""
        issued = int(now if now is not None else self.clock()).to_bytes(5, "big")
        return f"{worker}.{command_id}.{_text(issued + self._address_mac(worker, command_id, actor, issued))}"

    def read_address(self, text: str, actor: Actor) -> "CommandAddress":
        """Raises ``HttpProblem``: 404 if it was not issued to *actor*, 410 if the outcome is no longer kept."""
        match = _ADDRESS.match(text)
        if match is None:
            raise HttpProblem("not_found")
        try:
            worker, command_id = match[1], UUID(match[2])
            signed = base64.urlsafe_b64decode(match[3] + "=" * (-len(match[3]) % 4))
        except (ValueError, binascii.Error):
            raise HttpProblem("not_found") from None
        issued, mac = signed[:5], signed[5:]
        if not hmac.compare_digest(mac, self._address_mac(worker, command_id, actor, issued)):
            raise HttpProblem("not_found")
        if int.from_bytes(issued, "big") + OUTCOME_TTL_SECONDS < self.clock():
            raise HttpProblem("command_forgotten")
        return CommandAddress(worker, command_id)

    def _address_mac(self, worker: str, command_id: UUID, actor: Actor, issued: bytes) -> bytes:
        return self._mac(b"address", b"\0".join((worker.encode(), command_id.bytes, actor.key.encode(), issued)))

    def _mac(self, use: bytes, content: bytes) -> bytes:
        return hmac.digest(self._secret, use + b"\0" + content, "sha256")[:MAC_BYTES]


@dataclass(frozen=True, slots=True)
class CommandAddress:
    worker: str
    command_id: UUID


def _uuid8(digest: bytes) -> UUID:
    """``uuid.uuid8`` exists since Python 3.14 only."""
    value = int.from_bytes(digest[:16], "big")
    value = (value & ~(0xF << 76)) | (8 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
