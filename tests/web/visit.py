"""A person with a browser: cookies, storage and tabs of their own, and an account that programs can use as well."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page, ViewportSize, expect

from tests.load import load
from tests.system.client import PASSWORD, Client
from tests.web.watch import Watch

SECONDS = 15.0  # for whatever a page does, on a machine with nothing else to do
OF_THE_PAGE = {"X-AutoGraph-Page": "1"}
SIGNED_IN = "autograph.signed-in"  # what the page notes down in its storage, so that a first visit asks for no session
DESK: ViewportSize = {"width": 1280, "height": 800}


class Visit:
    def __init__(self, context: BrowserContext, gateway: str) -> None:
        self.context = context
        self.gateway = gateway
        self.watch = Watch(context, gateway)
        milliseconds = SECONDS * load() * 1000
        context.set_default_timeout(milliseconds)
        expect.set_options(timeout=milliseconds)

    async def sign_in(self, person: Client) -> None:
        """By the request that the sign-in form sends; tests of the form itself use the form."""
        answer = await self.context.request.post(
            f"{self.gateway}/api/auth/page/login",
            data={"email": person.email, "password": PASSWORD},
            headers={"Origin": self.gateway, **OF_THE_PAGE},
        )
        assert answer.ok, await answer.text()
        page = await self.open("/icon.svg")
        await page.evaluate("name => localStorage.setItem(name, '1')", SIGNED_IN)
        await page.close()

    async def open(self, path: str = "/") -> Page:
        """In a new tab."""
        page = await self.context.new_page()
        await page.goto(f"{self.gateway}{path}")
        return page

    async def keep_evidence(self, folder: Path, name: str) -> None:
        """What can be seen of each tab, and what the console said when a test failed."""
        stem = re.sub(r"\W+", "-", name)
        for number, page in enumerate(self.context.pages):
            await page.screenshot(path=folder / f"{stem}-{number}.png", timeout=5_000)
        (folder / f"{stem}.txt").write_text("\n".join(self.watch.faults), encoding="utf-8")


async def ask(page: Page, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """As a script of the page asks: with its cookies. *headers* with ``_`` for ``-``."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    found = await page.evaluate(
        """async ([method, path, body, headers]) => {
            if (body !== null) headers["Content-Type"] = "application/json"
            const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) })
            const text = await answer.text()
            const isJson = text && answer.headers.get("Content-Type").includes("json")
            return [answer.status, isJson ? JSON.parse(text) : text]
        }""",
        [method, path, body, sent],
    )
    return found[0], found[1]
