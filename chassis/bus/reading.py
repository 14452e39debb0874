"""Reads a delivery: decodes it, validates it against its contract, and checks its sender's rights."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from chassis.bus.delegation import may_speak_for
from chassis.bus.handlers import Handler
from chassis.bus.headers import (
    ATTEMPT,
    OPERATOR_USER,
    ORIGINAL_ROUTING_KEY,
    ORIGINAL_USER,
    producer_exchange,
    producer_user,
    service_user,
)
from chassis.bus.ports import Delivery
from contracts.envelope import CONTENT_TYPE, Actor, ActorKind, Envelope, TooManyItems, decode, producer_id
from contracts.message import Event, Message, Request
from contracts.wording import describe_error

NOBODY: Final[Mapping[str, Iterable[str]]] = MappingProxyType({})


class Unreadable(Exception):
    """The delivery cannot be handled and is parked. ``reason`` is a constant, ``detail`` says where."""

    def __init__(self, reason: str, detail: str, envelope: Envelope | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.envelope = envelope  # set if the sender is known and gets a reply


class Received(NamedTuple):
    delivery: Delivery
    envelope: Envelope
    contract: type[Message]
    message: Message
    handler: Handler[Any]
    sender: str  # the broker user that first published it
    routing_key: str  # under which it was first published
    attempt: int  # from 1


def read(
    delivery: Delivery,
    service: str,
    handlers: Mapping[str, tuple[type[Message], Handler[Any]]],
    delegates: Mapping[str, Iterable[str]] = NOBODY,
) -> Received:
    """*delegates*: broker users that may speak for users beside the gateway, by wire name. Raises ``Unreadable``."""
    check_ingress(delivery)
    if delivery.content_type != CONTENT_TYPE:
        raise Unreadable("undecodable", f"content type is not {CONTENT_TYPE}")
    opaque, is_scanned = None, False
    if len(delivery.body) > Message.max_bytes:  # a body below every limit is parsed in any case
        contracts = [contract for contract, _ in handlers.values()]
        _check_size(delivery, max((contract.max_message_bytes() for contract in contracts), default=0))
        opaque = next((contract.opaque for contract in contracts if contract.opaque), None)
        is_scanned = origin(delivery, service)[0] == service_user("gateway")
    try:
        envelope, data = decode(delivery.body, opaque=opaque, is_scanned=is_scanned)
    except ValidationError as error:
        raise Unreadable("undecodable", _describe_errors(error)) from None
    except TooManyItems:
        raise Unreadable("too_large", "more members and items than any contract allows") from None
    except PydanticCustomError as error:
        raise Unreadable("undecodable", f"{opaque}: {error.type}") from None
    except ValueError:
        raise Unreadable("undecodable", "not a CloudEvents document in JSON") from None
    if envelope.type not in handlers:
        raise Unreadable("unknown_type", "no handler for this type and version")
    contract, handler = handlers[envelope.type]
    _check_size(delivery, contract.max_message_bytes())
    sender, routing_key, attempt = _origin(delivery, service)
    _check_sender(delivery, envelope, contract, (sender, routing_key), delegates)
    try:
        message = contract.model_validate(data)
    except ValidationError as error:
        raise Unreadable("invalid", _describe_errors(error), envelope) from None
    return Received(delivery, envelope, contract, message, handler, sender, routing_key, attempt)


def _check_size(delivery: Delivery, max_bytes: int) -> None:
    if len(delivery.body) > max_bytes:
        raise Unreadable("too_large", f"{len(delivery.body)} bytes, where at most {max_bytes} are read")


def _origin(delivery: Delivery, service: str) -> tuple[str, str, int]:
    """The first sender, the first routing key, and the number of the attempt.

    Copies for retry and redrive have them in headers, which are trusted only from the service's own user and the
    operator's: only these make such copies.
    """
    if delivery.user_id is None:
        raise Unreadable("untrusted", "user_id is not set")
    headers = delivery.headers
    if ORIGINAL_USER not in headers:
        return delivery.user_id, delivery.routing_key, 1
    if delivery.user_id not in (service_user(service), OPERATOR_USER):
        raise Unreadable("untrusted", "only the service itself and the operator may pass on others' messages")
    attempt = headers.get(ATTEMPT, 1)
    if not isinstance(attempt, int) or attempt < 1:
        raise Unreadable("untrusted", "the attempt is not a number from 1")
    return str(headers[ORIGINAL_USER]), str(headers.get(ORIGINAL_ROUTING_KEY, "")), attempt


def origin(delivery: Delivery, service: str) -> tuple[str, str]:
    """The first sender and routing key of an unreadable delivery, as far as they can be trusted."""
    try:
        sender, routing_key, _ = _origin(delivery, service)
    except Unreadable:
        return delivery.user_id or "", delivery.routing_key
    return sender, routing_key


def _check_sender(
    delivery: Delivery,
    envelope: Envelope,
    contract: type[Message],
    origin: tuple[str, str],
    delegates: Mapping[str, Iterable[str]],
) -> None:
    sender, routing_key = origin
    if "CC" in delivery.headers or "BCC" in delivery.headers:
        raise Unreadable("untrusted", "CC and BCC escape the broker's topic permissions")
    if routing_key != contract.routing_key():
        raise Unreadable("untrusted", "the routing key does not fit the type")
    if delivery.reply_to is not None and not delivery.reply_to.startswith(f"reply.{sender}."):
        raise Unreadable("untrusted", "reply_to is not under the sender's name")
    actor = envelope.actor
    if issubclass(contract, Event):
        if sender != service_user(contract.worker()):
            raise Unreadable("untrusted", "an event comes from the service that owns it")
    elif issubclass(contract, Request) and contract.operator_only:
        _check_operator(actor, sender)
    elif actor.kind is ActorKind.PRODUCER:
        if actor.name != sender or actor.id != producer_id(sender):
            raise Unreadable("untrusted", "a producer acts as itself only")
    elif sender != service_user("gateway") and not may_speak_for(actor, sender, contract.wire_name, delegates):
        raise Unreadable("untrusted", "only the gateway, and a worker to which it is delegated, speaks for users")


def check_ingress(delivery: Delivery) -> None:
    """Raises ``Unreadable`` for a producer's message that did not come through its ingress.

    The broker checks the routing keys of a producer only where it publishes: at its ingress, or at the exchanges that
    it wrote to before 0.2. Copies for retry and redrive come from other users; their originals were checked.
    """
    user = delivery.user_id or ""
    if not user.startswith(producer_user("")):
        return
    if delivery.exchange not in (producer_exchange(user), "autograph.commands", "autograph.queries"):
        raise Unreadable("untrusted", "it came by an exchange on which the broker checks no rights")
    if "x-death" in delivery.headers:
        raise Unreadable("untrusted", "it came out of another queue's dead letters")


def _check_operator(actor: Actor, sender: str) -> None:
    if sender != OPERATOR_USER or actor.kind is not ActorKind.SERVICE or actor.name != OPERATOR_USER:
        raise Unreadable("untrusted", "only the operator may send this")


def _describe_errors(error: ValidationError) -> str:
    """What is wrong and where, without values, which may be secret."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'/'.join(map(str, item['loc']))}: {describe_error(item)[0]}" for item in found[:5])
