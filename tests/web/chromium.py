"""A Chromium that is driven, not looked at: the distribution's own, got without root, as the launcher gets RabbitMQ.

``AUTOGRAPH_TEST_CHROMIUM`` names another program, where the distribution has none (Ubuntu's is a snap, say).
"""

import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Playwright, async_playwright

from compose.local.home import DEFAULT, Home
from compose.local.packages import Bundle, run, unpack
from tests.servers import PROGRAMS, REPOSITORY

NAMED = "AUTOGRAPH_TEST_CHROMIUM"
PACKAGE = "chromium-headless-shell"  # without windows: a third of the libraries, and it starts three times as fast
HINT = f"install Chromium, and name it in {NAMED}"
OF_THE_SYSTEM = ("libc6", "debconf")  # the C library is the system's, or nothing runs
# A host of another site, for what its pages may do here. Every other name is unknown: nothing leaves the machine.
ELSEWHERE = "elsewhere.test"
OPTIONS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# The same fonts on each machine: those that came with the browser.
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{root}/fonts-cache</cachedir></fontconfig>
"""


async def _names(options: Sequence[str]) -> list[str]:
    """The browser, what its packages share, fonts, and each library that these ask for."""
    shown = await run(["apt-cache", *options, "depends", "--no-recommends", "--no-suggests", PACKAGE])
    libraries = re.findall(r"^ +Depends: (lib[a-z0-9.+-]+|zlib1g)$", shown, re.MULTILINE)
    nothing_installed = ["-oDir::State::status=/dev/null", "--simulate", "--no-install-recommends"]
    simulated = await run(["apt-get", *options, *nothing_installed, "install", *libraries])
    needed = re.findall(r"^Inst (\S+)", simulated, re.MULTILINE)
    return [PACKAGE, "chromium-common", *(name for name in needed if name not in OF_THE_SYSTEM)]


async def program() -> dict[str, Any]:
    """The options for ``launch``. Raises ``OperatorError`` where there is none and none can be had."""
    if named := os.environ.get(NAMED):
        return {"executable_path": named}
    home = Home(REPOSITORY / DEFAULT, programs=PROGRAMS).open()
    root = await unpack(home, Bundle("browser", "Chromium", _names, HINT))
    (root / "fonts.conf").write_text(FONTS.format(root=root), encoding="utf-8")
    places = ("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/pulseaudio")
    libraries = ":".join(str(path) for place in places for path in root.glob(place))
    return {
        "executable_path": str(root / "usr" / "lib" / "chromium" / PACKAGE),
        "env": {**os.environ, "LD_LIBRARY_PATH": libraries, "FONTCONFIG_FILE": str(root / "fonts.conf")},
    }


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        try:
            yield browser
        finally:
            await browser.close()


async def launch(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(args=OPTIONS, **await program())
