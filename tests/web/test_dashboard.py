"""The dashboard, with a few diagrams and with ten thousand."""

from playwright.async_api import Page, expect

from tests.system.client import Client
from tests.system.stack import Stack
from tests.web.diagrams import new_note
from tests.web.seed import many_diagrams
from tests.web.visit import Visit

MANY = 10_000


async def test_an_empty_dashboard_says_what_to_do(page: Page) -> None:
    await expect(page.get_by_text("Draw your first diagram")).to_be_visible()
    await expect(page.get_by_role("listitem")).to_have_count(0)


async def test_diagrams_are_found_while_somebody_types(visit: Visit, person: Client) -> None:
    for title in ("Apples", "Pears", "More apples"):
        await new_note(person, title=title)
    page = await visit.open()
    links = page.get_by_role("list", name="Diagrams").get_by_role("link")
    await expect(links).to_have_count(3)
    await page.get_by_role("searchbox").fill("apple")
    await expect(links).to_have_count(2)
    await page.get_by_label("Sort by").select_option("Title")
    await expect(links).to_have_text(["Apples", "More apples"])
    await page.reload()  # what is looked for is in the address
    await expect(links).to_have_text(["Apples", "More apples"])


async def test_a_diagram_goes_into_the_trash_and_comes_back(visit: Visit, person: Client) -> None:
    await new_note(person, title="Precious")
    page = await visit.open()
    await page.get_by_role("button", name="Actions for Precious").click()
    await page.get_by_role("menuitem", name="Move to trash").click()
    await expect(page.get_by_role("link", name="Precious")).to_have_count(0)
    await page.get_by_role("link", name="Trash").click()
    await page.get_by_role("button", name="Actions for Precious").click()
    await page.get_by_role("menuitem", name="Restore").click()
    await expect(page.get_by_role("article").filter(has_text="Precious")).to_have_count(0)
    await page.get_by_role("link", name="All").click()
    await expect(page.get_by_role("link", name="Precious")).to_be_visible()


async def test_the_palette_opens_a_diagram_by_keyboard_alone(visit: Visit, person: Client) -> None:
    note = await new_note(person, title="Deep in the list")
    page = await visit.open()
    await expect(page.get_by_role("link", name="Deep in the list")).to_be_visible()
    await page.keyboard.press("Control+k")
    await page.keyboard.type("deep in")
    await expect(page.get_by_role("option", name="Deep in the list")).to_be_visible()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/d/{note}")


async def test_ten_thousand_diagrams_are_scrolled_without_losing_one(
    visit: Visit, stack: Stack, person: Client
) -> None:
    await many_diagrams(stack, person, MANY)
    page = await visit.open()
    await expect(page.get_by_role("link", name="Diagram 00001")).to_be_visible()
    seen: set[str] = set()
    await page.mouse.move(640, 500)
    for last in (300, 600, 900):
        while f"Diagram {last:05}" not in seen:
            seen.update(await page.get_by_role("article").get_by_role("link").all_inner_texts())
            await page.mouse.wheel(0, 400)
    assert {f"Diagram {number:05}" for number in range(1, 901)} <= seen
    assert await page.get_by_role("article").count() < 200  # only what is near to be seen is there
