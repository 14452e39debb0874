"""Commands with a canvas in them, which goes as the JSON that it is."""

from typing import Any
from uuid import UUID

import pytest
from pydantic_core import from_json

from contracts.diagram.diagrams import ChangeDiagram, CreateDiagram
from contracts.message import Command

ID = UUID(int=7)
CANVAS: dict[str, Any] = {"elements": [{"id": '"ä"', "x": 1.5}], "canvas_data": {}}

COMMANDS: list[tuple[type[Command[Any]], dict[str, Any]]] = [
    (CreateDiagram, {"title": "Plän", "type": "canvas"}),
    (CreateDiagram, {"title": "Plän", "type": "note", "canvas_data": None, "note_content": None, "tags": ["a"]}),
    (CreateDiagram, {"title": '"}', "type": "mixed", "canvas_data": CANVAS, "note_content": "}\n"}),
    (CreateDiagram, {"title": "Plän", "type": "canvas", "canvas_data": {}}),
    (ChangeDiagram, {"id": str(ID)}),
    (ChangeDiagram, {"id": str(ID), "canvas_data": None}),
    (ChangeDiagram, {"id": str(ID), "canvas_data": {}, "title": None}),
    (ChangeDiagram, {"id": str(ID), "canvas_data": CANVAS, "expected_revision": "*", "version_label": None}),
]


@pytest.mark.parametrize(("contract", "fields"), COMMANDS)
def test_what_was_set_is_written_and_nothing_else(contract: type[Command[Any]], fields: dict[str, Any]) -> None:
    command = contract.model_validate(fields)

    assert from_json(command.json_bytes()) == from_json(command.model_dump_json(exclude_unset=True)) == fields
    assert contract.model_validate(from_json(command.json_bytes())) == command


def test_a_canvas_is_written_byte_for_byte() -> None:
    canvas = b'{"n":[1e+300,1.50]}'  # not as we would write it: believed, since it was checked
    change = ChangeDiagram.model_construct(_fields_set={"id", "canvas_data"}, id=ID, canvas_data=canvas)

    assert change.json_bytes() == b'{"id":"%b","canvas_data":%b}' % (str(ID).encode(), canvas)
