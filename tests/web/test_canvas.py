"""Drawing: with the mouse, from the clipboard, in two tabs, and while the gateway is killed or the session ends."""

import os
import signal

from playwright.async_api import Page, expect

from tests.eventually import eventually
from tests.system.client import PASSWORD, Client
from tests.system.stack import Stack
from tests.web import editors
from tests.web.conftest import NewVisit
from tests.web.diagrams import diagram, new_canvas, shapes_of, until_shapes
from tests.web.visit import Visit

# As the browser does it: an image file in the clipboard, pasted where the pointer is.
PASTE = """async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 })
    canvas.getContext("2d").fillRect(5, 5, 20, 10)
    const file = new File([await new Promise((made) => canvas.toBlob(made))], "image.png", { type: "image/png" })
    const data = new DataTransfer()
    data.items.add(file)
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }))
}"""


async def opened(visit: Visit, canvas: str) -> Page:
    page = await visit.open(f"/d/{canvas}")
    await editors.canvas_ready(page)
    return page


async def test_what_is_drawn_is_saved_and_there_again_tomorrow(
    visit: Visit, new_visit: NewVisit, person: Client
) -> None:
    canvas = await new_canvas(person)
    page = await opened(visit, canvas)
    await editors.draw(page, "rectangle", (300, 200))
    await editors.draw(page, "ellipse", (600, 200))
    await editors.saved(page)
    await until_shapes(person, canvas, "ellipse", "rectangle")
    # Another browser, another day: the diagram is opened, and nothing is written by that alone.
    before = (await diagram(person, canvas))["revision"]
    tomorrow = await opened(await new_visit(person), canvas)
    await editors.draw(tomorrow, "diamond", (300, 450))
    await editors.saved(tomorrow)
    await until_shapes(person, canvas, "diamond", "ellipse", "rectangle")
    assert (await diagram(person, canvas))["revision"] == before + 1


async def test_an_image_is_pasted_and_saved(visit: Visit, person: Client) -> None:
    # The library that makes large images smaller tries WebAssembly, which the policy forbids, and then does without.
    visit.watch.allow("violation of script-src by wasm-eval in .*/pica-")
    canvas = await new_canvas(person)
    page = await opened(visit, canvas)
    await page.mouse.move(500, 400)
    await page.evaluate(PASTE)
    await until_shapes(person, canvas, "image")
    await editors.saved(page)
    files = (await diagram(person, canvas))["canvas_data"]["files"]
    assert [file["mimeType"] for file in files.values()] == ["image/png"]


async def test_two_tabs_that_draw_different_things_keep_both(visit: Visit, person: Client) -> None:
    visit.watch.allow(r"^412 /api/diagrams/")
    canvas = await new_canvas(person)
    one, other = await opened(visit, canvas), await opened(visit, canvas)
    async with editors.offline(one):
        visit.watch.allow_unavailable()
        await one.bring_to_front()
        await editors.draw(one, "rectangle", (300, 200))
        await other.bring_to_front()
        await editors.draw(other, "ellipse", (600, 200))
        for page in (one, other):
            await expect(editors.state(page)).not_to_have_attribute("data-state", "clean")
    for page in (one, other):
        await editors.saved(page)
    await until_shapes(person, canvas, "ellipse", "rectangle")


async def test_a_gateway_that_is_killed_while_somebody_draws_costs_no_stroke(
    visit: Visit, stack: Stack, person: Client
) -> None:
    visit.watch.allow_unavailable()
    canvas = await new_canvas(person)
    page = await opened(visit, canvas)
    await editors.draw(page, "rectangle", (300, 200))
    os.kill(stack.row("gateway")["pid"], signal.SIGKILL)
    await editors.draw(page, "ellipse", (600, 200))
    await editors.draw(page, "diamond", (300, 450))
    await editors.saved(page)

    async def all_there() -> bool:  # the gateway may only just be back
        return await shapes_of(person, canvas) == ["diamond", "ellipse", "rectangle"]

    await eventually(all_there, within_seconds=30)


async def test_a_session_that_ends_while_somebody_draws_costs_no_stroke(visit: Visit, person: Client) -> None:
    visit.watch.allow(r"^401 /api/")
    canvas = await new_canvas(person)
    page = await opened(visit, canvas)
    await editors.draw(page, "rectangle", (300, 200))
    await editors.saved(page)
    await person.ask("POST", "/api/auth/logout-all")  # from another device
    await editors.draw(page, "ellipse", (600, 200))
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("Email address").fill(person.email)
    await page.get_by_role("button", name="Sign in").click()
    await editors.canvas_ready(page)
    await editors.saved(page)
    person.tokens = {}
    await person.sign_in()
    await until_shapes(person, canvas, "ellipse", "rectangle")


async def test_a_scene_that_cannot_be_read_is_not_overwritten(visit: Visit, person: Client) -> None:
    canvas = await new_canvas(person, {"elements": "nonsense", "more": [1, 2]})
    before = await diagram(person, canvas)
    page = await visit.open(f"/d/{canvas}")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("alert")).to_be_visible()
    after = await diagram(person, canvas)
    assert (after["revision"], after["canvas_data"]) == (before["revision"], before["canvas_data"])


async def test_a_canvas_is_dark_where_the_person_wants_it_dark(new_visit: NewVisit, person: Client) -> None:
    canvas = await new_canvas(person)
    page = await opened(await new_visit(person, color_scheme="dark"), canvas)
    await expect(page.locator(".excalidraw").first).to_have_class("excalidraw excalidraw-container theme--dark")
