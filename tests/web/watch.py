"""What no page of ours may do: errors in the console, exceptions, violations of the policy, requests to other hosts.

Chromium writes an error into the console for each answer of 400 and above. Those that a test provokes it names with
``allow``; every other one is a fault as well.
"""

import re
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Error, Request, WebError

OWN_SCHEMES = ("blob", "data", "about")
# Chromium says nothing of an `eval` that the policy stopped and the page caught.
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`violation of ${event.violatedDirective} by ${event.blockedURI} in ${event.sourceFile}`))"""


class Watch:
    def __init__(self, context: BrowserContext, origin: str) -> None:
        """*origin*: the only one that requests may go to."""
        self.faults: list[str] = []
        self._origins = {_origin(origin)}
        # Said when a network of containers comes or goes beside the tests; Chromium then asks again.
        self._allowed = [re.compile("net::ERR_NETWORK_CHANGED")]
        context.on("console", self._said)
        context.on("weberror", self._threw)
        context.on("request", self._requested)

    async def begin(self, context: BrowserContext) -> None:
        """Before the first page is opened."""
        await context.add_init_script(REPORT_VIOLATIONS)

    def allow(self, *patterns: str) -> None:
        """Regular expressions of what is no fault in this test: an answer is ``409 /api/diagrams/…``."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    def allow_origin(self, url: str) -> None:
        self._origins.add(_origin(url))

    def allow_unavailable(self) -> None:
        """The gateway is gone, or the network is, or the page is left while it asks."""
        self.allow(r"net::ERR_\w+", r"\b50[234] ", "net::ERR_CONNECTION")

    def check(self) -> None:
        left = [fault for fault in self.faults if not any(allowed.search(fault) for allowed in self._allowed)]
        assert not left, "the page did what it must not:\n" + "\n".join(left)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        text, url = message.text, message.location.get("url", "")
        if answered := re.search(r"status of (\d+)", text):
            self.faults.append(f"{answered[1]} {urlsplit(url).path}")
        else:
            self.faults.append(f"console: {text} ({url})")

    def _threw(self, error: WebError) -> None:
        thrown: Error = error.error
        self.faults.append(f"exception: {thrown}")

    def _requested(self, request: Request) -> None:
        if urlsplit(request.url).scheme not in OWN_SCHEMES and _origin(request.url) not in self._origins:
            self.faults.append(f"request to another host: {request.url}")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme.replace('ws', 'http')}://{parts.netloc}"
