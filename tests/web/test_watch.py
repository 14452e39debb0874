"""What the other tests here rely on: a page that does what it must not does not pass."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from playwright.async_api import Browser

from tests.web.chromium import ELSEWHERE
from tests.web.watch import Watch

POLICY = "default-src 'none'; script-src 'self'; connect-src *; img-src data:"
SCRIPTS = {
    "console": "console.error('something')",
    "exception": "throw new Error('something')",
    "rejection": "Promise.reject(new Error('something'))",
    "eval": "try { eval('1') } catch { }",
    "style": "document.head.append(document.createElement('style'))",
    "answer": "fetch('/missing')",
    "host": f"fetch('http://{ELSEWHERE}:1/').catch(() => 0)",
    "nothing": "console.warn('something'); fetch('/scripts/nothing')",
}


@pytest.fixture(scope="module")
async def origin() -> AsyncIterator[str]:
    async def page(request: web.Request) -> web.Response:
        script = request.match_info["script"]
        text = f'<!doctype html><link rel=icon href="data:,"><script src="/scripts/{script}"></script>'
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def script(request: web.Request) -> web.Response:
        # The page says by its title that the script ran: what comes after it is in order.
        text = f"setTimeout(() => document.title = 'done'); {SCRIPTS[request.match_info['script']]}"
        return web.Response(text=text, content_type="text/javascript")

    application = web.Application()
    application.router.add_get("/pages/{script}", page)
    application.router.add_get("/scripts/{script}", script)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def watched(browser: Browser, origin: str, script: str) -> Watch:
    context = await browser.new_context()
    try:
        watch = Watch(context, origin)
        await watch.begin(context)
        page = await context.new_page()
        await page.goto(f"{origin}/pages/{script}", wait_until="networkidle")
        await page.evaluate("0")  # events come in order: those of the load are here
        return watch
    finally:
        await context.close()


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("console", "console: something"),
        ("exception", "exception: something"),
        ("rejection", "exception: something"),
        ("eval", "violation of script-src"),
        ("style", "violation of style-src-elem"),
        ("answer", "404 /missing"),
        ("host", f"request to another host: http://{ELSEWHERE}:1/"),
    ],
)
async def test_a_page_that_does_what_it_must_not_is_found(
    browser: Browser, origin: str, script: str, found: str
) -> None:
    watch = await watched(browser, origin, script)
    with pytest.raises(AssertionError, match=found):
        watch.check()


async def test_a_page_in_order_is_no_fault(browser: Browser, origin: str) -> None:
    (await watched(browser, origin, "nothing")).check()


async def test_what_a_test_provokes_is_no_fault(browser: Browser, origin: str) -> None:
    watch = await watched(browser, origin, "answer")
    watch.allow(r"^404 /missing$")
    watch.check()
