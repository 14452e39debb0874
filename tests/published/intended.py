"""Names of the last release that are gone, or mean something else, on purpose: each with the reason.

Operators and clients read the same in CHANGELOG.md. A test fails for an entry that is no loss: when a release is cut,
this list becomes empty. Log events with another name stand in the table of CHANGELOG.md only.
"""

import re
from collections.abc import Iterator
from typing import Final

from tests.servers import REPOSITORY

# Pattern of `fnmatch` → reason.
INTENDED: Final = {
    "http: GET /health*: * checks: not always there": "only the side port shows details; AUTOGRAPH_PUBLIC_DETAILS=true",
    "http: GET /health*: * version: not always there": "as its checks",
    "http: PATCH /api/diagrams/{id}: * tags: no longer null": "was never taken: the description said otherwise",
    "http: PATCH /api/diagrams/{id}: * title: no longer null": "as tags",
    "http: PATCH /api/diagrams/{id}: * type: no longer null": "as tags",
    "messages: autograph.diagram.change_diagram.v1: data tags: no longer null": "as in the API: was never taken",
    "messages: autograph.diagram.change_diagram.v1: data title: no longer null": "as tags",
    "messages: autograph.diagram.change_diagram.v1: data type: no longer null": "as tags",
    "log_events: job_failed: reason: gone": "the archiver's: `error` names the exception, a metric has the reason",
    "log_events: delivery_channel_closed: error: gone": "nothing is sent on a closed channel, so that nothing fails",
    "command_json: producer: id: gone": "a key of another dictionary: the rows have the same keys as before",
}


def renamed_log_events(previous_version: str) -> dict[str, str]:
    """Before → now, of the releases after *previous_version*."""
    newer, found, _ = (REPOSITORY / "CHANGELOG.md").read_text("utf-8").partition(f"## [{previous_version}]")
    assert found, f"CHANGELOG.md has no section [{previous_version}]"
    return dict(_rows(newer))


def _rows(text: str) -> Iterator[tuple[str, str]]:
    for before, now in re.findall(r"^ *\| (`.*`) \| (`.*`) \|$", text, re.MULTILINE):
        yield from zip(re.findall("`([^`]+)`", before), re.findall("`([^`]+)`", now), strict=True)
