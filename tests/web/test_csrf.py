"""What a page from elsewhere can do with the cookies of somebody who is signed in: nothing.

Another port of the same host is another origin but the same site: browsers send it even SameSite=Strict cookies.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from playwright.async_api import Page, Response, expect

from tests.system.client import PASSWORD, Client
from tests.web.elsewhere import Elsewhere
from tests.web.visit import Visit, ask

BLOCKED = "blocked"
FETCH = """async ([url, options]) => {
    try { return (await fetch(url, { credentials: "include", ...options })).type } catch { return "blocked" }
}"""
# A form may send any text as text/plain. Its name and value make JSON of it, with the `=` inside a string.
FORM = """([action, name]) => {
    const form = Object.assign(document.createElement("form"), { action, method: "POST", enctype: "text/plain" })
    form.append(Object.assign(document.createElement("input"), { name, value: '"}' }))
    document.body.append(form)
    form.submit()
}"""

FRAME = """(url) => new Promise((loaded) =>
    document.body.append(Object.assign(document.createElement("iframe"), { src: url, onload: () => loaded(0) })))"""


class Attack:
    """A tab that somebody who is signed in has opened elsewhere, and what the gateway answered it."""

    def __init__(self, page: Page, url: str, gateway: str) -> None:
        self.page = page
        self.url = url
        self.gateway = gateway
        self.answers: list[int] = []
        page.on("response", self._answered)

    def _answered(self, response: Response) -> None:
        if response.url.startswith(self.gateway):
            self.answers.append(response.status)

    async def fetch(self, path: str, **options: Any) -> str:
        found: str = await self.page.evaluate(FETCH, [f"{self.gateway}{path}", options])
        return found

    async def submit(self, path: str, body: Mapping[str, Any]) -> None:
        url = f"{self.gateway}{path}"
        await self.page.goto(self.url)
        async with self.page.expect_navigation():
            await self.page.evaluate(FORM, [url, f'{json.dumps(body)[:-1]}, "more": "'])


@pytest.fixture(params=["same_site", "cross_site"])
async def attack(request: pytest.FixtureRequest, visit: Visit, away: Elsewhere) -> Attack:
    url = getattr(away, request.param)
    visit.watch.allow_origin(url)
    visit.watch.allow(
        r"CORS policy", r"net::ERR_", r"^40[0-9] ", "Refused to", "violates the following", "X-Frame-Options"
    )
    page = await visit.context.new_page()
    await page.goto(url)
    return Attack(page, url, visit.gateway)


async def test_a_page_from_elsewhere_reads_and_changes_nothing(attack: Attack, visit: Visit, person: Client) -> None:
    created = await person.create("Mine")
    path = f"/api/diagrams/{created.body['id']}"
    text = json.dumps({"title": "Theirs", "type": "note", "note_content": ""})
    # It is sent, with the cookies where the site is the same. The answer may be used for nothing.
    assert await attack.fetch("/api/auth/page/logout", mode="no-cors", method="POST", body="{}") == BLOCKED
    assert await attack.fetch("/api/auth/page/refresh", mode="no-cors", method="POST", body="{}") == BLOCKED
    assert await attack.fetch("/api/diagrams", mode="no-cors", method="POST", body=text) == BLOCKED
    assert await attack.fetch("/api/diagrams", mode="no-cors") == BLOCKED
    # What the page itself sends has a header of its own, for which a browser asks: nothing is sent.
    headers = {"X-AutoGraph-Page": "1", "Content-Type": "application/json"}
    assert await attack.fetch("/api/diagrams") == BLOCKED
    assert await attack.fetch("/api/diagrams", method="POST", headers=headers, body=text) == BLOCKED
    assert await attack.fetch(path, method="PATCH", headers=headers, body='{"title": "Theirs"}') == BLOCKED
    assert await attack.fetch(path, method="DELETE", headers=headers) == BLOCKED
    assert [(diagram["title"], diagram["revision"]) for diagram in await person.all_diagrams()] == [
        ("Mine", created.body["revision"])
    ]
    assert (await ask(await visit.open(), "GET", "/api/auth/me"))[0] == 200


async def test_a_form_from_elsewhere_signs_nobody_in_or_out(
    attack: Attack, visit: Visit, person: Client, another_person: Client
) -> None:
    theirs = {"email": another_person.email, "password": PASSWORD, "remember_me": True}
    await attack.submit("/api/auth/page/login", theirs)
    await attack.submit("/api/auth/page/logout", {"all": True})
    await attack.submit("/api/diagrams", {"title": "Theirs", "type": "note", "note_content": ""})
    assert all(400 <= status < 500 for status in attack.answers)
    page = await visit.open()
    status, me = await ask(page, "GET", "/api/auth/me")
    assert (status, me["email"]) == (200, person.email)
    assert await person.all_diagrams() == []


async def test_the_page_is_shown_in_no_frame(attack: Attack) -> None:
    await attack.page.evaluate(FRAME, f"{attack.gateway}/")
    [frame] = attack.page.main_frame.child_frames
    assert not frame.url.startswith(attack.gateway)
    await expect(frame.locator("#root")).to_have_count(0)


async def test_a_link_from_elsewhere_opens_the_page_apart_from_who_opened_it(attack: Attack) -> None:
    async with attack.page.context.expect_page() as opened:
        await attack.page.evaluate("url => { window.opened = window.open(url) }", f"{attack.gateway}/")
    tab = await opened.value
    await tab.wait_for_load_state()
    assert await tab.evaluate("window.opener") is None
    assert await attack.page.evaluate("window.opened.closed")  # of another browsing context group: out of reach


async def test_the_pages_own_requests_need_its_header(visit: Visit, person: Client) -> None:
    visit.watch.allow(r"^403 /api/")
    page = await visit.open()
    body = {"title": "A note", "type": "note", "note_content": ""}
    assert (await ask(page, "POST", "/api/diagrams", body))[0] == 403
    assert (await ask(page, "POST", "/api/auth/page/logout", {}))[0] == 403
    assert (await ask(page, "GET", "/api/diagrams"))[0] == 200
    assert await person.all_diagrams() == []
    assert (await ask(page, "POST", "/api/diagrams", body, X_AutoGraph_Page="1"))[0] in (201, 202)


async def test_no_script_of_the_page_sees_a_token(visit: Visit) -> None:
    page = await visit.open()
    assert await page.evaluate("document.cookie") == ""
    cookies = {cookie["name"]: cookie for cookie in await visit.context.cookies()}
    assert cookies.keys() == {"__Host-autograph", "__Host-autograph-renewal"}
    for cookie in cookies.values():
        assert cookie["httpOnly"]
        assert cookie["secure"]
        assert cookie["sameSite"] == "Strict"
        assert cookie["value"] not in await page.evaluate("JSON.stringify([localStorage, sessionStorage])")
