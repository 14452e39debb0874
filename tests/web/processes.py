"""The browser's processes, to be killed as the kernel kills what takes too much memory."""

import os
import signal
from contextlib import suppress

from playwright.async_api import Browser

RENDERER = "renderer"  # a tab's; the browser may have one ready for the next tab
WHOLE = "browser"


async def kill(browser: Browser, kind: str) -> None:
    """By SIGKILL, each of the browser's processes of this *kind*."""
    session = await browser.new_browser_cdp_session()
    found = await session.send("SystemInfo.getProcessInfo")
    processes = [process["id"] for process in found["processInfo"] if process["type"] == kind]
    assert processes
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
