"""Each view by axe-core, in both colours and on a narrow screen, and in both languages."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.system.client import Client
from tests.web import axe, editors
from tests.web.conftest import NewVisit
from tests.web.diagrams import new_canvas, new_note

NOTE = (
    "# Heading\n\n- [ ] a task\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n```js\nlet a = 1\n```\n\n$x^2$\n\nA[^1]\n\n[^1]: B"
)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": {"width": 360, "height": 640}},
}
# Of Excalidraw itself, in none of its own buttons do we have a say.
OF_EXCALIDRAW = [".excalidraw"]


async def fits(page: Page) -> None:
    """Nothing has to be scrolled sideways."""
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(params=list(LOOKS.values()), ids=list(LOOKS))
def look(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


async def test_the_sign_in_page_is_accessible(new_visit: NewVisit, look: dict[str, Any]) -> None:
    visit = await new_visit(**look)
    page = await visit.open()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await axe.check(page)
    await fits(page)


async def test_a_note_is_accessible(new_visit: NewVisit, person: Client, look: dict[str, Any]) -> None:
    note = await new_note(person, NOTE)
    page = await (await new_visit(person, **look)).open(f"/d/{note}")
    await editors.saved(page)
    await axe.check(page)
    await fits(page)


async def test_a_canvas_is_accessible(new_visit: NewVisit, person: Client, look: dict[str, Any]) -> None:
    canvas = await new_canvas(person)
    page = await (await new_visit(person, **look)).open(f"/d/{canvas}")
    await expect(page.locator(".excalidraw").first).to_be_visible()
    await editors.saved(page)
    await axe.check(page, leaving_out=OF_EXCALIDRAW)
    await fits(page)


async def test_the_page_is_german_where_the_browser_is(new_visit: NewVisit, person: Client) -> None:
    note = await new_note(person)
    page = await (await new_visit(person, locale="de-AT")).open(f"/d/{note}")
    await expect(editors.state(page)).to_have_text("Gespeichert")
    await expect(page.locator("html")).to_have_attribute("lang", "de")
