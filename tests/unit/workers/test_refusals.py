"""What a handler can refuse is what its contract declares: from there the API's and the bus' descriptions have it."""

from collections.abc import Iterator
from dis import Instruction, get_instructions
from importlib import import_module
from inspect import isclass, isfunction, ismodule
from types import CodeType, FunctionType
from typing import Any, get_type_hints

import pytest

from contracts.catalogue import WORKERS
from contracts.message import Request
from contracts.refusal import REFUSED_BY_ANY, Refusal

HANDLERS = [
    pytest.param(contract, handler, module.Tools, id=contract.__name__)
    for module in (import_module(f"workers.{worker}.handlers") for worker in WORKERS)
    for contract, handler in module.handlers.by_wire_name.values()
    if issubclass(contract, Request)
]


@pytest.mark.parametrize(("contract", "handler", "tools"), HANDLERS)
def test_a_contract_declares_what_its_handler_raises_and_nothing_else(
    contract: type[Request[Any]], handler: FunctionType, tools: type
) -> None:
    assert refusals_of(handler, tools) - set(REFUSED_BY_ANY) == set(contract.refuses)


def refusals_of(handler: FunctionType, tools: type) -> set[type[Refusal]]:
    """The refusals that the handler, or a function of its worker that it names, names; by the names in their code."""
    parts = {name: part for name, part in get_type_hints(tools).items() if isclass(part)}
    found: set[type[Refusal]] = set()
    seen: set[FunctionType] = set()
    waiting = [handler]
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        for named in _named_by(function, parts):
            if isfunction(named) and named.__module__.startswith("workers."):
                waiting.append(named)
            elif isclass(named) and issubclass(named, Refusal):
                found.add(named)
    return found


def _named_by(function: FunctionType, parts: dict[str, type]) -> Iterator[object]:
    """What stands in the code: globals, ``rules.check_live`` of a module, ``tools.keys.read`` of the tools."""
    named: object = None
    for instruction in _instructions(function.__code__):
        name = instruction.argval
        if instruction.opname == "LOAD_GLOBAL":
            named = function.__globals__.get(name)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            named = vars(named).get(name) if ismodule(named) or isclass(named) else parts.get(name)
        elif instruction.opname != "PUSH_NULL":
            named = None
        yield named


def _instructions(code: CodeType) -> Iterator[Instruction]:
    yield from get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)
