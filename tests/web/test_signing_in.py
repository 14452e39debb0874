"""Registering, signing in and out, sessions, and coming back tomorrow."""

from uuid import uuid4

from playwright.async_api import Page, expect

from tests.system.client import PASSWORD, Client
from tests.web import editors
from tests.web.conftest import NewVisit
from tests.web.diagrams import new_note
from tests.web.visit import Visit

MENU = "Account menu"


async def fill(page: Page, email: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Email address").fill(email)
    await page.get_by_label("Password", exact=True).fill(password)


async def is_in(page: Page) -> None:
    await expect(page.get_by_role("searchbox", name="Search diagrams")).to_be_visible()


async def is_out(page: Page) -> None:
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_a_person_registers_and_is_signed_in(new_visit: NewVisit) -> None:
    page = await (await new_visit()).open()
    await page.get_by_role("button", name="Create an account").click()
    await fill(page, f"{uuid4().hex}@example.org")
    await page.get_by_role("button", name="Create account").click()
    await is_in(page)
    await page.reload()
    await is_in(page)


async def test_a_wrong_password_is_said_to_be_wrong(new_visit: NewVisit, person: Client) -> None:
    visit = await new_visit()
    visit.watch.allow(r"^401 /api/auth/page/login$")
    page = await visit.open()
    await fill(page, person.email, "not the password")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await fill(page, person.email)
    await page.keyboard.press("Enter")
    await is_in(page)


async def test_a_person_who_comes_back_tomorrow_finds_the_work_where_it_was(
    new_visit: NewVisit, person: Client
) -> None:
    note = await new_note(person, "what I thought yesterday", title="Thoughts")
    page = await (await new_visit()).open(f"/d/{note}")
    await fill(page, person.email)
    await page.keyboard.press("Enter")
    await expect(editors.text_editor(page)).to_have_text("what I thought yesterday")
    assert page.url.endswith(f"/d/{note}")


async def test_who_signs_out_is_out_in_every_tab(visit: Visit) -> None:
    visit.watch.allow(r"^401 /api/")
    page, other = await visit.open(), await visit.open()
    await is_in(other)
    await page.get_by_role("button", name=MENU).click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await is_out(page)
    await is_out(other)
    assert await visit.context.cookies() == []


async def test_a_session_is_ended_from_another_device(new_visit: NewVisit, person: Client) -> None:
    visits = [await new_visit(person), await new_visit(person, user_agent="Mozilla/5.0 (Macintosh) Firefox/140.0")]
    for visit in visits:
        visit.watch.allow(r"^401 /api/")
    page, elsewhere = [await visit.open() for visit in visits]
    await is_in(elsewhere)
    await page.goto(f"{visits[0].gateway}/account")
    await page.get_by_role("button", name="End: Firefox").click()
    await expect(page.get_by_role("button", name="End: Firefox")).to_have_count(0)
    await elsewhere.reload()
    await is_out(elsewhere)
