"""What axe-core finds wrong with a page, by the rules of WCAG 2.2 A and AA."""

from functools import cache

from playwright.async_api import Page

from tests.servers import REPOSITORY

PROGRAM = REPOSITORY / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """([rules, elsewhere]) => axe.run({ exclude: elsewhere }, { runOnly: rules, resultTypes: ["violations"] })
    .then(({ violations }) => violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target.flat().join(" ")}: ${failureSummary}`)))"""


@cache
def _program() -> str:
    assert PROGRAM.exists(), f"{PROGRAM} is missing: make web"
    return PROGRAM.read_text("utf-8")


async def check(page: Page, *, leaving_out: list[str] | None = None) -> None:
    """Asserts that it finds nothing, outside of what is at the selectors *leaving_out*."""
    await page.evaluate(f"{_program()};0")
    found: list[str] = await page.evaluate(RUN, [RULES, leaving_out or []])
    assert not found, "\n".join(found)
