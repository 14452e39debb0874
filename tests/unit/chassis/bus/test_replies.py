"""A reply on the wire."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from chassis.bus.replies import read_reply, reply_letter
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.outcome import Outcome
from contracts.refusal import Forbidden

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = Envelope(
    id=UUID(int=7),
    source="/gateway",
    type="autograph.easel.paint.v1",
    time=NOW,
    correlationid="c-1",
    actor=Actor(kind=ActorKind.USER, id=UUID(int=1)),
)


@pytest.mark.parametrize(
    "outcome", [Outcome.succeeded(None), Outcome.refused(Forbidden("no")), Outcome.failed("x", "y")]
)
def test_a_reply_names_its_request_and_keeps_the_outcome(outcome: Outcome) -> None:
    letter = reply_letter("easel", REQUEST, outcome, reply_to="reply.asker.1", correlation_id="a-1", now=NOW)

    assert read_reply(letter.body) == (REQUEST.id, outcome)
    assert (letter.routing_key, letter.correlation_id, letter.persistent) == ("reply.asker.1", "a-1", False)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"{}", b'{"causationid": 7}', b'{"causationid": "x"}',
     b'{"causationid": "00000000-0000-0000-0000-000000000007", "data": {"status": "maybe"}}'],
)  # fmt: skip
def test_what_is_no_reply_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the promise
        read_reply(body)
