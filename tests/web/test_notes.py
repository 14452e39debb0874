"""Notes: what hostile Markdown cannot do, and what two people who write at once get."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.servers import REPOSITORY
from tests.system.client import Client
from tests.web import editors
from tests.web.conftest import NewVisit
from tests.web.diagrams import change_note, new_note, text_of
from tests.web.visit import Visit

CORPUS = json.loads((REPOSITORY / "web/src/editors/note/hostile.json").read_text("utf-8"))
HOSTILE = [text for text in CORPUS if "\0" not in text]  # which no note can have
PER_NOTE = 20


def preview(page: Page) -> Any:
    return page.get_by_role("article")


@pytest.mark.parametrize("first", range(0, len(HOSTILE), PER_NOTE))
async def test_hostile_markdown_runs_nothing_and_fetches_nothing(visit: Visit, person: Client, first: int) -> None:
    """The watch finds requests to other hosts, and whatever the policy had to stop."""
    # What Mermaid writes stays in its frame, whose policy stops it: that is what the frame is for.
    visit.watch.allow(r"mermaid-frame\.html", "purify", "script-src-attr by inline", r"example\.org/y\.png")
    visit.watch.allow(r"^404 /api/diagrams/0{8}-")  # an embedded diagram that there is not
    note = await new_note(person, "\n\n".join([*HOSTILE[first : first + PER_NOTE], "The end of it"]))
    page = await visit.open(f"/d/{note}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(visit.gateway)))
    await expect(preview(page)).to_contain_text("The end of it")
    for picture in await preview(page).locator("figure").all():  # drawn when it comes into view
        await picture.scroll_into_view_if_needed()
    await expect(preview(page).locator("[aria-busy=true]")).to_have_count(0)
    for link in await preview(page).locator("a[href]").all():
        assert await link.evaluate("(link) => link.protocol") in ("http:", "https:", "mailto:")
    for element in ("script", "style", "link", "iframe", "object", "embed", "form", "base", "meta"):
        await expect(preview(page).locator(element)).to_have_count(0)
    assert await page.evaluate("window.hostile") is None
    assert not [path for path in asked if path.startswith(("/hostile", "/api/auth/page/logout"))]


async def test_a_note_is_shown_as_it_is_written(visit: Visit, person: Client) -> None:
    note = await new_note(person)
    page = await visit.open(f"/d/{note}")
    await editors.go_to_the_end(page)
    await page.keyboard.type("# A heading\nAnd *emphasis*.")
    await expect(preview(page).get_by_role("heading", name="A heading")).to_be_visible()
    await expect(preview(page).locator("em")).to_have_text("emphasis")
    await editors.saved(page)
    assert await text_of(person, note) == "# A heading\nAnd *emphasis*."


async def test_lines_that_two_people_changed_are_merged_or_put_before_a_person(
    new_visit: NewVisit, person: Client
) -> None:
    note = await new_note(person, "one\n\ntwo\n\nthree")
    mine, theirs = await new_visit(person), await new_visit(person)
    for visit in (mine, theirs):
        visit.watch.allow(r"^412 /api/diagrams/")
        visit.watch.allow_unavailable()
    page, other = await mine.open(f"/d/{note}"), await theirs.open(f"/d/{note}")
    await expect(editors.text_editor(page)).to_be_visible()
    async with editors.offline(page):
        await editors.go_to_the_end(page)
        await page.keyboard.type(" and mine")
        await editors.text_editor(other).click()
        await other.keyboard.press("Control+Home")
        await other.keyboard.type("theirs and ")
        await editors.saved(other)
    await editors.saved(page)
    assert await text_of(person, note) == "theirs and one\n\ntwo\n\nthree and mine"
    # The same line: nothing is sent until a person has chosen.
    async with editors.offline(page):
        await page.keyboard.type(", again")
        await change_note(person, note, "theirs and one\n\ntwo\n\nthree of theirs")
        await expect(editors.state(page)).not_to_have_attribute("data-state", "clean")
    await expect(editors.state(page)).to_have_attribute("data-state", "conflict")
    assert await text_of(person, note) == "theirs and one\n\ntwo\n\nthree of theirs"
    await page.get_by_role("button", name="Keep the right side").click()
    await editors.saved(page)
    assert await text_of(person, note) == "theirs and one\n\ntwo\n\nthree and mine, again"
