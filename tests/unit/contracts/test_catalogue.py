"""What every message must say of itself."""

import re

import pytest

from contracts.catalogue import MESSAGES, REQUESTS
from contracts.message import Message, Reply, Request

WIRE_NAME = re.compile(r"^autograph\.[a-z]+\.[a-z]+(_[a-z]+)*\.v[1-9][0-9]*$")


def test_wire_names_are_unique() -> None:
    names = [message.wire_name for message in MESSAGES]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_wire_name_has_its_form(message: type[Message]) -> None:
    assert WIRE_NAME.match(message.wire_name)


@pytest.mark.parametrize("request_type", REQUESTS)
def test_a_request_says_what_it_is_answered_with(request_type: type[Request[Reply | None]]) -> None:
    reply = request_type.reply_type()

    assert reply is None or issubclass(reply, Reply)
