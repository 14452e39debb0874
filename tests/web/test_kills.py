"""Whatever dies while somebody types: what the page called saved is there, and the rest comes back from the device.

Each moment is drawn by chance: of a tab's process, of the whole browser, of the gateway, or of browser and gateway at
once. ``make faults`` goes on for fifty of them.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Error, Page, Playwright, async_playwright

from tests.eventually import eventually
from tests.load import load
from tests.system.client import Client
from tests.system.stack import Stack
from tests.web import chromium, editors, processes
from tests.web.visit import DESK, Visit

MOMENTS_SECONDS = (0.0, 4.0)  # of typing before something dies
PAUSES_SECONDS = (0.0, 0.0, 0.0, 0.05, 0.3, 2.5)  # between two words: the last one is long enough for a save
# Before a word is safe on the device: the page writes what it has once in this time, and a write takes its own.
DEVICE_SECONDS = 1.5


class Victim(StrEnum):
    TAB = "tab"
    BROWSER = "browser"
    GATEWAY = "gateway"
    BOTH = "browser and gateway"


@dataclass(slots=True)
class Typing:
    """What somebody has typed at the end of a note, and what the page said of it."""

    typed: str = ""  # a part of its last word may be missing when the page dies
    saved: str = ""  # the longest text that the page called saved
    lengths: list[tuple[float, int]] = field(default_factory=list)  # when it was how long

    async def go_on(self, page: Page, dice: random.Random) -> None:
        """Until the page dies, or for ever."""
        while True:
            word = f"{len(self.lengths)} "
            self.typed += word
            await page.keyboard.type(word)
            self.lengths.append((time.monotonic(), len(self.typed)))
            await self.look(page)
            await page.wait_for_timeout(dice.choice(PAUSES_SECONDS) * 1000)
            await self.look(page)

    async def look(self, page: Page) -> None:
        state, text = await editors.read(page)
        assert self.typed.startswith(text)
        if state == "clean":
            self.saved = max(self.saved, text, key=len)

    def on_the_device(self) -> str:
        """What was typed early enough, if it all ended now."""
        now = time.monotonic()
        lengths = [length for when, length in self.lengths if when < now - DEVICE_SECONDS * load()]
        return self.typed[: max(lengths, default=0)]


class Desk:
    """A browser with a profile of its own, which outlives the browser."""

    def __init__(self, playwright: Playwright, folder: Path, gateway: str, person: Client) -> None:
        self._playwright = playwright
        self._folder = folder
        self._gateway = gateway
        self._person = person
        self._context: BrowserContext | None = None

    async def open(self, path: str) -> Page:
        """The page in a new tab, of a new browser where there is none."""
        if self._context is None:
            self._context = await self._playwright.chromium.launch_persistent_context(
                self._folder, args=chromium.OPTIONS, viewport=DESK, locale="en-GB", **await chromium.program()
            )
        visit = Visit(self._context, self._gateway)
        await visit.sign_in(self._person)
        return await visit.open(path)

    async def kill(self, kind: str) -> None:
        assert self._context is not None
        browser = self._context.browser
        assert browser is not None
        await processes.kill(browser, kind)
        if kind == processes.WHOLE:
            self._context = None
            return
        for page in self._context.pages:
            await page.close()

    async def close(self) -> None:
        if self._context is not None:
            await self._context.close()


@pytest.fixture
async def desk(tmp_path: Path, gateway: str, person: Client) -> AsyncIterator[Desk]:
    async with async_playwright() as playwright:
        desk = Desk(playwright, tmp_path, gateway, person)
        try:
            yield desk
        finally:
            await desk.close()


@dataclass(slots=True)
class Evening:
    """Of somebody who types into one note while things die around them."""

    desk: Desk
    stack: Stack
    person: Client
    diagram: str
    dice: random.Random
    typing: Typing = field(default_factory=Typing)

    async def go_on(self, page: Page, victim: Victim) -> Page:
        """Types until the *victim* dies, and checks what is left of it; the tab to go on in."""
        await editors.go_to_the_end(page)
        await self._type_until(page, victim)
        on_the_device = self.typing.on_the_device()
        await eventually(self._server_has_what_was_saved, within_seconds=30)
        if victim is not Victim.GATEWAY:
            page = await self.desk.open(f"/d/{self.diagram}")
        await eventually(lambda: self._is_back(page, on_the_device), within_seconds=60)
        assert await self._text() == self.typing.typed
        return page

    async def _type_until(self, page: Page, victim: Victim) -> None:
        writing = asyncio.ensure_future(self.typing.go_on(page, self.dice))
        try:
            await asyncio.wait([writing], timeout=self.dice.uniform(*MOMENTS_SECONDS))
            assert not writing.done(), writing.exception()
            if victim in (Victim.GATEWAY, Victim.BOTH):
                os.kill(self.stack.row("gateway")["pid"], signal.SIGKILL)
            if victim is not Victim.GATEWAY:
                await self.desk.kill(processes.RENDERER if victim is Victim.TAB else processes.WHOLE)
                await asyncio.wait([writing])
                assert isinstance(writing.exception(), Error)
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError, Error):
                await writing

    async def _text(self) -> str:
        answer = await self.person.ask("GET", f"/api/diagrams/{self.diagram}")
        assert answer.status == 200, answer
        text: str = answer.body["note_content"]
        return text

    async def _server_has_what_was_saved(self) -> bool:
        assert (await self._text()).startswith(self.typing.saved)
        return True

    async def _is_back(self, page: Page, on_the_device: str) -> bool:
        """And saved by itself; nothing is there twice, and nothing that was not typed."""
        state, text = await editors.read(page)
        assert text.startswith(self.typing.saved), "the page had said that it is saved"
        assert text.startswith(on_the_device), "it was typed long before"
        assert self.typing.typed.startswith(text)
        if state != "clean":
            return False
        self.typing.typed = text
        return True


@pytest.mark.slow("kills browsers and gateways, and starts them again")
@pytest.mark.parametrize(
    ("seed", "moments"),
    [(0, 4), *(pytest.param(seed, 10, marks=pytest.mark.matrix) for seed in range(1, 6))],
)
async def test_what_is_saved_stays_and_what_is_not_comes_back(
    desk: Desk, stack: Stack, person: Client, seed: int, moments: int
) -> None:
    made = await person.ask("POST", "/api/diagrams", {"title": "Typed", "type": "note", "note_content": ""})
    evening = Evening(desk, stack, person, made.body["id"], random.Random(seed))  # noqa: S311 - no secret
    page = await desk.open(f"/d/{evening.diagram}")
    for number in range(moments):
        page = await evening.go_on(page, [*Victim][number % len(Victim)])
