"""``python -m tests.web.screenshots [FOLDER]``: the README's pictures of the page, of a stack of its own."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.servers import REPOSITORY
from tests.system.client import Client, somebody
from tests.system.stack import Stack
from tests.web import editors
from tests.web.chromium import running_browser
from tests.web.diagrams import new_canvas, new_note
from tests.web.scene import scene
from tests.web.visit import DESK, Visit

IMAGES = REPOSITORY / "docs" / "images"
TITLES = ("Onboarding", "Billing", "Incident of March", "Data model", "Release train", "Network of the new office")
NOTE = """\
# How a change is carried out

- [x] The gateway turns it into a command
- [x] A worker carries it out in **one** transaction
- [ ] Subscribers get the event

```mermaid
flowchart LR
    Page --> Gateway --> Broker --> Worker --> Database
```

| what | where |
|:--|:--|
| state | PostgreSQL |
| commands | RabbitMQ |
"""


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="autograph-screenshots-") as home:
        stack = Stack(Path(home))
        try:
            stack.up()
            await stack.ready()
            gateway = (await stack.status())["gateway"]["url"]
            async with somebody(gateway) as person, running_browser() as browser:
                await take(browser, gateway, person, folder)
        finally:
            stack.clean_up()


async def take(browser: Browser, gateway: str, person: Client, folder: Path) -> None:
    visit = Visit(await browser.new_context(viewport=DESK, locale="en-GB"), gateway)
    await visit.sign_in(person)
    for number, title in enumerate(TITLES):
        await (new_canvas(person, title=title) if number % 2 else new_note(person, title=title))
    note = await new_note(person, NOTE, title="How it works")
    canvas = await new_canvas(person, scene(40), title="Services")
    page = await visit.open()
    await expect(page.get_by_role("article")).to_have_count(len(TITLES) + 2)
    await page.screenshot(path=folder / "dashboard.png")
    await page.goto(f"{gateway}/d/{note}")
    await expect(page.get_by_role("article").get_by_role("img")).to_be_visible()
    await page.screenshot(path=folder / "note.png")
    await page.goto(f"{gateway}/d/{canvas}")
    await editors.canvas_ready(page)
    await editors.saved(page)
    await page.keyboard.press("Shift+1")  # all in view
    await page.wait_for_timeout(1_000)  # it moves there
    await page.screenshot(path=folder / "canvas.png")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
