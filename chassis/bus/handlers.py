"""Registry of message handlers, filled by decorators in a worker's ``handlers.py``."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from contracts.envelope import Envelope
from contracts.message import Event, Message, Request

ToolsT = TypeVar("ToolsT")
RequestT = TypeVar("RequestT", bound=Request[Any])
EventT = TypeVar("EventT", bound=Event)

# (message, envelope, tools) → reply. The class of the reply is checked against the contract.
Handler = Callable[[Any, Envelope, ToolsT], Awaitable[Any]]


class Handlers(Generic[ToolsT]):
    """A worker's handlers by message class. Raises ``TypeError`` if a message is registered twice."""

    def __init__(self) -> None:
        self.by_wire_name: dict[str, tuple[type[Message], Handler[ToolsT]]] = {}

    def answers(
        self, request: type[RequestT]
    ) -> Callable[
        [Callable[[RequestT, Envelope, ToolsT], Awaitable[Any]]], Callable[[RequestT, Envelope, ToolsT], Awaitable[Any]]
    ]:
        """Register the handler of *request*: it returns the contract's reply, or raises one of its refusals."""
        return self._registers(request)

    def hears(
        self, event: type[EventT]
    ) -> Callable[
        [Callable[[EventT, Envelope, ToolsT], Awaitable[None]]], Callable[[EventT, Envelope, ToolsT], Awaitable[None]]
    ]:
        """Register the handler of *event*, which applies it in one unit of work: a repeat changes nothing."""
        return self._registers(event)

    def include(self, others: "Handlers[ToolsT]") -> None:
        """Register all handlers of *others*."""
        for contract, handler in others.by_wire_name.values():
            self._registers(contract)(handler)

    def _registers(self, message: type[Message]) -> Callable[[Any], Any]:
        def register(handler: Any) -> Any:
            if message.wire_name in self.by_wire_name:
                raise TypeError(f"{message.wire_name} has a handler already")
            self.by_wire_name[message.wire_name] = (message, handler)
            return handler

        return register
