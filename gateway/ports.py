"""What the gateway needs of the bus. Implemented by ``chassis.bus.requester.Requester`` and by test doubles."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from contracts.envelope import Envelope
from contracts.message import Message, Request
from contracts.outcome import Outcome

Seal = Callable[[Message, Envelope], Awaitable[Message]]


class Bus(Protocol):
    async def request(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> Outcome:
        """The outcome, whichever it is. Raises ``NotPublished`` (certainly not taken) or ``ReplyTimeout``."""

    async def submit(self, request: Request[Any], envelope: Envelope, *, timeout_seconds: float) -> None:
        """Returns once the broker has it. Raises ``NotPublished``, or ``ReplyTimeout`` if the confirm did not come."""
