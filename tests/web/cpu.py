"""What the page's main thread costs, as time of a processor: how busy the machine is does not count, or hardly."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import CDPSession, Page

FRAME = "() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))"
NEXT_FRAME = "() => new Promise(requestAnimationFrame)"


@dataclass(slots=True)
class Meter:
    page: Page
    session: CDPSession

    @classmethod
    async def of(cls, page: Page) -> "Meter":
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        return cls(page, session)

    async def seconds(self) -> float:
        """Of the main thread, since its process began."""
        found = await self.session.send("Performance.getMetrics")
        [seconds] = [metric["value"] for metric in found["metrics"] if metric["name"] == "ThreadTime"]
        return float(seconds)

    async def painted(self) -> None:
        await self.page.evaluate(FRAME)

    async def seconds_per_frame(self, act: Callable[[], Awaitable[object]], frames: int) -> float:
        """Of a frame after each *act*."""
        before = await self.seconds()
        for _ in range(frames):
            await act()
            await self.page.evaluate(NEXT_FRAME)
        return (await self.seconds() - before) / frames
