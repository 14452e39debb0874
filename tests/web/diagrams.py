"""A person's diagrams, as the API has them: what the page calls saved is here, or it is not saved."""

from typing import Any

from tests.eventually import eventually
from tests.system.client import Client


async def new_note(person: Client, text: str = "", title: str = "A note") -> str:
    return await _new(person, {"title": title, "type": "note", "note_content": text})


async def new_canvas(person: Client, scene: Any = None, title: str = "A canvas") -> str:
    return await _new(person, {"title": title, "type": "canvas", "canvas_data": scene or {"elements": []}})


async def _new(person: Client, body: dict[str, Any]) -> str:
    made = await person.ask("POST", "/api/diagrams", body)
    assert made.status == 201, made
    identity: str = made.body["id"]
    return identity


async def diagram(person: Client, identity: str) -> dict[str, Any]:
    answer = await person.ask("GET", f"/api/diagrams/{identity}")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def text_of(person: Client, identity: str) -> str:
    text: str = (await diagram(person, identity))["note_content"]
    return text


async def shapes_of(person: Client, identity: str) -> list[str]:
    """The kinds of the elements of a canvas, in the order of the alphabet."""
    elements = (await diagram(person, identity))["canvas_data"]["elements"]
    return sorted(element["type"] for element in elements if not element.get("isDeleted"))


async def until_shapes(person: Client, identity: str, *kinds: str) -> None:
    async def so() -> bool:
        found = await shapes_of(person, identity)
        assert found == sorted(kinds)
        return True

    await eventually(so, within_seconds=30)
