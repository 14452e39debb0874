"""A reply on the wire."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from chassis.bus.replies import read_reply, reply_message
from contracts.envelope import Actor, ActorKind, Envelope
from contracts.outcome import Outcome, Status
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
    outgoing = reply_message("easel", REQUEST, outcome, reply_to="reply.asker.1", correlation_id="a-1", now=NOW)

    assert read_reply(outgoing.body) == (REQUEST.id, outcome)
    assert (outgoing.routing_key, outgoing.correlation_id, outgoing.persistent) == ("reply.asker.1", "a-1", False)


def told(reply: bytes) -> bytes:
    return b'{"causationid":"%s","data":{"status":"succeeded","reply":%s}}' % (str(REQUEST.id).encode(), reply)


@pytest.mark.parametrize(
    "reply", [b'{"z" : 1e300,\n"a": [123456789012345678901234567890, 1.50, "\\u00e4\xc3\xa4"]}', b"[]", b'"x"', b"0"]
)
def test_a_replys_json_is_cut_out_as_it_stands(reply: bytes) -> None:
    assert read_reply(told(reply)) == (REQUEST.id, Outcome(status=Status.SUCCEEDED, reply=reply))


def test_a_reply_of_another_release_is_read_in_any_order_and_with_more_in_it() -> None:
    body = b"""
        {"new": {"data": {}}, "data": {"later": [1, {}], "replayed": true, "reply": {"id" :1}, "status": "succeeded"},
         "causationid": "00000000-0000-0000-0000-000000000007"}
    """

    assert read_reply(body) == (REQUEST.id, Outcome(status=Status.SUCCEEDED, reply=b'{"id" :1}', replayed=True))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"{}", b'{"causationid": 7}', b'{"causationid": "x"}',
     b'{"causationid": "00000000-0000-0000-0000-000000000007", "data": {"status": "maybe"}}',
     told(b'{"a": 01}'), told(b'{"a": "\xff"}'), told(b"NaN"), told(b"[" * 100_000), told(b"{}}"),
     told(b'null, "problem": 7')],
)  # fmt: skip
def test_what_is_no_reply_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is the promise
        read_reply(body)
