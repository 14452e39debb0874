"""The Prefer header (RFC 7240): how long a client wants to wait for a command's outcome."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SECONDS = re.compile(r"^[0-9]{1,6}$")


@dataclass(frozen=True, slots=True)
class Preference:
    respond_async: bool = False
    wait_seconds: int | None = None

    @property
    def applied(self) -> str:
        """For Preference-Applied; empty if nothing was preferred."""
        if self.respond_async:
            return "respond-async"
        return "" if self.wait_seconds is None else f"wait={self.wait_seconds}"


def read_prefer(headers: Iterable[str]) -> Preference:
    """Unknown preferences are ignored, as the RFC requires; of a repeated one the first counts."""
    respond_async, wait = False, None
    for part in ",".join(headers).split(","):
        name, _, value = part.split(";")[0].strip().partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "respond-async" and not value:
            respond_async = True
        elif name == "wait" and wait is None and _SECONDS.match(value):
            wait = int(value)
    return Preference(respond_async, wait)
