"""One stack and one browser for all tests of the page; each test has a browser context, and a user, of its own."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from playwright.async_api import Browser, Error, Page

from tests.servers import REPOSITORY
from tests.system.client import Client, somebody
from tests.system.stack import Stack
from tests.web.chromium import running_browser
from tests.web.elsewhere import Elsewhere, elsewhere
from tests.web.visit import DESK, Visit

EVIDENCE = REPOSITORY / "build" / "tests-web"  # screenshots of tests that failed
FAILED: pytest.StashKey[bool] = pytest.StashKey()

NewVisit = Callable[..., Awaitable[Visit]]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("web"))
    try:
        stack.up()
        await stack.ready()
        yield stack
        assert await stack.end(signal.SIGINT) == 0
    finally:
        stack.clean_up()


@pytest.fixture(scope="session")
async def gateway(stack: Stack) -> str:
    address: str = (await stack.status())["gateway"]["url"]
    return address


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def person(gateway: str) -> AsyncIterator[Client]:
    """A new user, signed in as a program."""
    async with somebody(gateway) as person:
        yield person


@pytest.fixture
async def another_person(gateway: str) -> AsyncIterator[Client]:
    async with somebody(gateway) as person:
        yield person


@pytest.fixture
async def new_visit(browser: Browser, gateway: str, request: pytest.FixtureRequest) -> AsyncIterator[NewVisit]:
    """Makes a visit with a context of its own, by the options of Playwright's contexts; each is checked at the end."""
    visits: list[Visit] = []
    async with AsyncExitStack() as contexts:

        async def new_visit(person: Client | None = None, **options: Any) -> Visit:
            context = await browser.new_context(**{"viewport": DESK, "locale": "en-GB", **options})
            contexts.push_async_callback(context.close)
            visit = Visit(context, gateway)
            await visit.watch.begin(context)
            visits.append(visit)
            if person is not None:
                await visit.sign_in(person)
            return visit

        yield new_visit
        if request.node.stash.get(FAILED, False):
            EVIDENCE.mkdir(parents=True, exist_ok=True)
            for number, visit in enumerate(visits):
                with suppress(Error):  # a crashed tab, say, which has nothing to show
                    await visit.keep_evidence(EVIDENCE, f"{request.node.name}-{number}")
    for visit in visits:
        visit.watch.check()


@pytest.fixture
async def visit(new_visit: NewVisit, person: Client) -> Visit:
    """Of a signed-in person, who has opened nothing yet."""
    return await new_visit(person)


@pytest.fixture
async def page(visit: Visit) -> Page:
    """A signed-in person's dashboard."""
    return await visit.open()


@pytest.fixture(scope="session")
async def away() -> AsyncIterator[Elsewhere]:
    async with elsewhere() as away:
        yield away
