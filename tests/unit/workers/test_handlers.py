"""Each worker handles what its entry says: a message without a handler would wait in its queue or be parked."""

import re
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from chassis.bus.handlers import Handlers
from chassis.worker import consume
from contracts.catalogue import WORKERS
from contracts.message import Request
from contracts.services import entry


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_has_a_handler_for_each_request_and_event_of_its_entry_and_for_no_other(worker: str) -> None:
    own = entry(worker)
    expected = {message.wire_name for message in own.messages if issubclass(message, Request)}
    expected |= {event.wire_name for event in own.hears}
    handlers: Handlers[Any] = import_module(f"workers.{worker}.handlers").handlers
    handled = set(handlers.by_wire_name)

    assert sorted(expected - handled) == [], f"write handlers in workers/{worker}/, included in its handlers.py"
    assert sorted(handled - expected) == [], f"add them to MESSAGES or `hears` of the entry {worker}, or remove them"


async def test_a_worker_that_is_sent_secrets_does_not_start_without_what_unseals_them() -> None:
    service: Any = None
    context: Any = SimpleNamespace(name="auth")  # nothing else of it is looked at before
    auth = entry("auth")
    with pytest.raises(TypeError, match=re.escape("autograph.auth.sign_in.v1")):
        await consume(
            service, context, import_module("workers.auth.handlers").handlers, None,
            hears=auth.hears, event_bulkheads=auth.event_bulkheads, delegations={},
        )  # fmt: skip
