"""What each line says of the message that is handled: who acts, and on what."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chassis.bus.handling import _log_fields
from chassis.bus.ports import Delivery
from chassis.bus.reading import Received
from contracts.auth.accounts import GetMe
from contracts.auth.sessions import EndSession
from contracts.diagram.diagrams import CreateDiagram, GetDiagram
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.message import Message

ONE = UUID(int=1)
USER = Actor(kind=ActorKind.USER, id=UUID(int=7))


def received(message: Message, subject: str | None) -> Received:
    contract = type(message)
    envelope = Envelope(
        id=UUID(int=2), source="/gateway", type=contract.wire_name, actor=USER, subject=subject, time=datetime.now(UTC),
        correlationid="c-1",
    )  # fmt: skip
    delivery: Any = Delivery
    handler: Any = None
    return Received(delivery, envelope, contract, message, handler, "autograph-gateway", contract.routing_key(), 1)


@pytest.mark.parametrize(
    ("message", "subject", "said"),
    [
        (GetDiagram(id=ONE), None, f"diagram/{ONE}"),
        (EndSession(session_id=ONE), None, f"session/{ONE}"),
        (GetMe(), None, None),
        (GetDiagram(id=ONE), "diagram/other", "diagram/other"),
    ],
)
def test_a_line_names_who_acts_and_on_what_by_ids_only(message: Message, subject: str | None, said: str | None) -> None:
    facts = _log_fields(received(message, subject))

    assert facts["actor"] == USER.key
    assert facts.get("subject") == said


def test_what_a_user_wrote_is_in_no_line() -> None:
    message = CreateDiagram.model_validate({"title": "Private", "type": "note", "note_content": "Secret"})

    assert not {"Private", "Secret"} & set(_log_fields(received(message, None)).values())
