"""Each worker handles what its entry says: a message without a handler would wait in its queue or be parked."""

from importlib import import_module
from typing import Any

import pytest

from chassis.bus.handlers import Handlers
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
