"""A person's diagrams, as the API has them: what the page calls saved is here, or it is not saved."""

import io
import json
from typing import Any

from tests.eventually import eventually
from tests.system.client import Client


async def new_note(person: Client, text: str = "", title: str = "A note") -> str:
    return await _new(person, {"title": title, "type": "note", "note_content": text})


async def new_canvas(person: Client, scene: Any = None, title: str = "A canvas") -> str:
    return await _new(person, {"title": title, "type": "canvas", "canvas_data": scene or {"elements": []}})


async def _new(person: Client, body: dict[str, Any]) -> str:
    content = io.BytesIO(json.dumps(body).encode())  # aiohttp warns of large bodies that are plain bytes
    headers = {"Authorization": f"Bearer {person.tokens['access_token']}", "Content-Type": "application/json"}
    async with person._http.post(f"{person.address}/api/diagrams", data=content, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        identity: str = (await answer.json())["id"]
        return identity


async def diagram(person: Client, identity: str) -> dict[str, Any]:
    answer = await person.ask("GET", f"/api/diagrams/{identity}")
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def text_of(person: Client, identity: str) -> str:
    text: str = (await diagram(person, identity))["note_content"]
    return text


async def change_note(person: Client, identity: str, text: str) -> None:
    """By another program of the person, who has read it first."""
    tag = f'"{(await diagram(person, identity))["revision"]}"'
    changed = await person.ask("PATCH", f"/api/diagrams/{identity}", {"note_content": text}, If_Match=tag)
    assert changed.status == 200, changed


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
