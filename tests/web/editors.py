"""What a person does in the editors, and what they say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Locator, Page, expect

# One moment: the text, and what the page says of it.
READ = """(editor) => [
    document.querySelector("output[data-state]")?.dataset.state ?? "",
    editor.innerText.replace(/\\n$/, ""),
]"""
TOOLS = {"rectangle": "r", "diamond": "d", "ellipse": "o", "selection": "v"}


def state(page: Page) -> Locator:
    """What the page says of the content: `clean` is saved."""
    return page.locator("output[data-state]")


async def saved(page: Page) -> None:
    await expect(state(page)).to_have_attribute("data-state", "clean")


def text_editor(page: Page) -> Locator:
    """CodeMirror's, in its shadow root."""
    return page.locator(".cm-content").first


async def read(page: Page) -> tuple[str, str]:
    """The state, and the text that it is the state of."""
    found: list[str] = await text_editor(page).evaluate(READ)
    return found[0], found[1]


async def go_to_the_end(page: Page) -> None:
    await text_editor(page).click()
    await page.keyboard.press("Control+End")


async def canvas_ready(page: Page) -> None:
    await expect(page.get_by_test_id("toolbar-rectangle")).to_be_attached()


async def draw(page: Page, tool: str, at: tuple[int, int], size: tuple[int, int] = (120, 80)) -> None:
    (x, y), (width, height) = at, size
    await page.keyboard.press(TOOLS[tool])
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + width, y + height, steps=4)
    await page.mouse.up()


@asynccontextmanager
async def offline(page: Page) -> AsyncIterator[None]:
    await page.context.set_offline(True)
    try:
        yield
    finally:
        await page.context.set_offline(False)
