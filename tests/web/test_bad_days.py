"""What goes wrong while somebody works: each has an answer that is seen, and costs nothing of the work."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from playwright.async_api import Page, Route, expect

from tests.eventually import eventually
from tests.system.client import Client
from tests.web import editors
from tests.web.diagrams import new_note, text_of
from tests.web.visit import Visit

CHANGES = "**/api/diagrams/*"
LONG_WRONG = [datetime(2001, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)]


@asynccontextmanager
async def changes_answered(page: Page, answer: dict[str, object] | None = None) -> AsyncIterator[list[float]]:
    """Changes of diagrams get *answer*, or wait until the end; when they were sent."""
    sent: list[float] = []
    over = asyncio.Event()

    async def handle(route: Route) -> None:
        if route.request.method == "PATCH" and not over.is_set():
            sent.append(time.monotonic())
            if answer is not None:
                await route.fulfill(**answer)  # type: ignore[arg-type]
                return
            await over.wait()
        await route.continue_()

    await page.route(CHANGES, handle)
    try:
        yield sent
    finally:
        over.set()  # the route stays: without it, Playwright would take what waits here out of our hands


async def type_into(page: Page, text: str) -> None:
    await editors.go_to_the_end(page)
    await page.keyboard.type(text)


def problem(status: int, code: str, **headers: str) -> dict[str, object]:
    body = {"type": f"urn:autograph:problem:{code}", "title": code, "status": status, "code": code}
    return {
        "status": status,
        "headers": {"Content-Type": "application/problem+json", **headers},
        "body": json.dumps(body),
    }


async def test_nothing_is_called_saved_before_the_server_said_so(visit: Visit, person: Client) -> None:
    note = await new_note(person)
    page = await visit.open(f"/d/{note}")
    async with changes_answered(page) as sent:
        await type_into(page, "not there yet")
        await eventually(lambda: asyncio.sleep(0, sent))
        await expect(editors.state(page)).to_have_attribute("data-state", "saving")
        assert await text_of(person, note) == ""
    await editors.saved(page)
    assert await text_of(person, note) == "not there yet"


async def test_what_is_written_without_a_network_is_sent_when_it_is_back(visit: Visit, person: Client) -> None:
    note = await new_note(person)
    visit.watch.allow_unavailable()
    page = await visit.open(f"/d/{note}")
    await expect(editors.text_editor(page)).to_be_visible()
    async with editors.offline(page):
        await type_into(page, "on the train")
        await expect(editors.state(page)).to_have_attribute("data-state", "offline")
    await editors.saved(page)
    assert await text_of(person, note) == "on the train"


async def test_a_limit_is_waited_for_as_long_as_it_says(visit: Visit, person: Client) -> None:
    note = await new_note(person)
    visit.watch.allow(r"^429 /api/diagrams/")
    page = await visit.open(f"/d/{note}")
    async with changes_answered(page, problem(429, "rate_limited", **{"Retry-After": "3"})) as sent:
        await type_into(page, "fast")
        await expect(editors.state(page)).to_have_attribute("data-state", "offline")
        await eventually(lambda: asyncio.sleep(0, len(sent) > 1), within_seconds=20)
        assert sent[1] - sent[0] >= 3
    await editors.saved(page)
    assert await text_of(person, note) == "fast"


async def test_what_is_too_large_is_said_to_be_and_kept_until_it_is_smaller(visit: Visit, person: Client) -> None:
    note = await new_note(person)
    visit.watch.allow(r"^413 /api/diagrams/")
    page = await visit.open(f"/d/{note}")
    async with changes_answered(page, problem(413, "body_too_large")):
        await type_into(page, "large")
        await expect(editors.state(page)).to_have_attribute("data-state", "refused")
    await page.keyboard.press("Backspace")
    await editors.saved(page)
    assert await text_of(person, note) == "larg"


@pytest.mark.parametrize("now", LONG_WRONG, ids=["slow", "fast"])
async def test_a_wrong_clock_changes_nothing(visit: Visit, person: Client, now: datetime) -> None:
    note = await new_note(person)
    await visit.context.clock.set_fixed_time(now)
    page = await visit.open(f"/d/{note}")
    await type_into(page, "whenever")
    await editors.saved(page)
    await page.reload()
    await expect(editors.text_editor(page)).to_have_text("whenever")
    assert await text_of(person, note) == "whenever"


async def test_a_device_that_is_full_does_not_keep_work_from_being_saved(visit: Visit, person: Client) -> None:
    note = await new_note(person)
    page = await visit.open(f"/d/{note}")
    session = await visit.context.new_cdp_session(page)
    await session.send("Storage.overrideQuotaForOrigin", {"origin": visit.gateway, "quotaSize": 1})
    async with changes_answered(page):
        await type_into(page, "no room")
        await expect(editors.state(page)).to_have_attribute("data-kept", "false")
    await editors.saved(page)
    assert await text_of(person, note) == "no room"
