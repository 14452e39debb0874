"""Nothing that the last release published has gone, or means something else, unless on purpose."""

from collections.abc import Callable
from copy import deepcopy
from fnmatch import fnmatchcase
from typing import Any

import pytest

from tests.published.collect import last_releases_names, published_names
from tests.published.intended import INTENDED, renamed_log_events
from tests.published.losses import losses, without_renamed
from tests.servers import REPOSITORY
from tests.upgrade.releases import previous_version_and_commit

Names = dict[str, Any]
CHANGE = "PATCH /api/diagrams/{id}"
COMMAND, EVENT = "autograph.diagram.change_diagram.v1", "autograph.diagram.diagram_changed.v1"


@pytest.fixture(scope="module")
def here() -> Names:
    return published_names(REPOSITORY)


@pytest.fixture
def names() -> Names:
    """For the rules: no matter whose names. 0.1.0 had no alerts."""
    names = without_renamed(last_releases_names(), {"request answered": "request_answered"})
    return {**names, "alerts": ["AutographDown", "AutographWatchdog"]}


@pytest.fixture(scope="module")
def lost(here: Names) -> list[str]:
    version, _ = previous_version_and_commit()
    return losses(without_renamed(last_releases_names(), renamed_log_events(version)), here)


def test_every_published_name_of_the_last_release_is_still_there_and_means_the_same(lost: list[str]) -> None:
    accidents = [loss for loss in lost if not any(fnmatchcase(loss, pattern) for pattern in INTENDED)]

    assert not accidents, f"restore them, or say in tests/published/intended.py and CHANGELOG.md why: {accidents}"


def test_every_intended_loss_is_one(lost: list[str]) -> None:
    assert [pattern for pattern in INTENDED if not any(fnmatchcase(loss, pattern) for loss in lost)] == []


def test_the_changelog_names_log_events_as_they_are_logged(here: Names) -> None:
    version, _ = previous_version_and_commit()

    assert set(renamed_log_events(version).values()) <= here["log_events"].keys()


def test_names_of_every_kind_were_found(here: Names) -> None:
    assert [kind for kind, names in here.items() if len(names) < 2] == []


def _set(*path: str | int, to: Any) -> Callable[[Names], None]:
    def change(names: Names) -> None:
        inner: Any = names
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to

    return change


def _drop(*path: str | int) -> Callable[[Names], None]:
    def change(names: Names) -> None:
        inner: Any = names
        for step in path[:-1]:
            inner = inner[step]
        if isinstance(path[-1], int) or isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner.remove(path[-1])

    return change


BREAKING = [
    (_drop("http", CHANGE), f"http: {CHANGE}: gone"),
    (_set("http", CHANGE, "id", to="edit"), f"http: {CHANGE}: operation change_diagram is called edit"),
    (_drop("http", CHANGE, "parameters", "header If-Match"), f"http: {CHANGE}: parameter header If-Match: gone"),
    (
        _set("http", CHANGE, "parameters", "header If-Match", to="required"),
        f"http: {CHANGE}: parameter header If-Match: required now",
    ),
    (
        _set("http", CHANGE, "request", "application/json", "reason", to="string required"),
        f"http: {CHANGE}: application/json reason: required now",
    ),
    (
        _set("http", CHANGE, "request", "application/json", "tags[]", to="integer required"),
        f"http: {CHANGE}: application/json tags[]: no longer string",
    ),
    (_drop("http", CHANGE, "answers", "202"), f"http: {CHANGE}: status 202: gone"),
    (_drop("http", CHANGE, "answers", "200", "headers", "ETag"), f"http: {CHANGE}: 200 headers ETag: gone"),
    (_drop("http", CHANGE, "answers", "200", "body", "version"), f"http: {CHANGE}: 200 version: gone"),
    (
        _set("http", CHANGE, "answers", "200", "body", "version", to="integer|null required"),
        f"http: {CHANGE}: 200 version: may be null",
    ),
    (
        _set("http", CHANGE, "answers", "200", "body", "version", to="integer"),
        f"http: {CHANGE}: 200 version: not always there",
    ),
    (_drop("problem", "correlation_id"), "problem: correlation_id: gone"),
    (_drop("problem_members", "current_revision"), "problem_members: current_revision: gone"),
    (_drop("envelopes", "message", "subject"), "envelopes: message: subject: gone"),
    (_drop("messages", EVENT), f"messages: {EVENT}: gone"),
    (
        _set("messages", EVENT, "routing_key", to="x"),
        f"messages: {EVENT}: routing_key was diagram.diagram_changed, is x",
    ),
    (_drop("messages", EVENT, "data", "version"), f"messages: {EVENT}: data version: gone"),
    (_set("messages", COMMAND, "data", "why", to="string required"), f"messages: {COMMAND}: data why: required now"),
    (_drop("messages", COMMAND, "queues", "diagram.commands"), f"messages: {COMMAND}: queue diagram.commands: gone"),
    (_set("codes", "stale_revision", to=[409]), "codes: stale_revision: was [412], is [409]"),
    (_set("queues", "diagram.commands", to="classic"), "queues: diagram.commands: was quorum, is classic"),
    (_drop("exchanges", "autograph.events"), "exchanges: autograph.events: gone"),
    (
        _set("metrics", "autograph_parked_total", "labels", to=["message"]),
        "metrics: autograph_parked_total: labels were ['message', 'reason'], are ['message']",
    ),
    (_drop("settings", "HTTP_PORT"), "settings: HTTP_PORT: gone"),
    (_set("settings", "HTTP_PORT", to=["gateway"]), "settings: HTTP_PORT: gateway does not start without it"),
    (_drop("log_events", "request_answered", "status"), "log_events: request_answered: status: gone"),
    (_drop("log_line", "timestamp"), "log_line: timestamp: gone"),
    (_drop("findings", "outbox_stuck"), "findings: outbox_stuck: gone"),
    (_drop("alerts", "AutographWatchdog"), "alerts: AutographWatchdog: gone"),
    (_drop("commands", "keys rotate"), "commands: keys rotate: gone"),
    (_drop("commands", "doctor", "--json"), "commands: doctor --json: gone"),
    (_set("commands", "doctor", to=["--json!"]), "commands: doctor --json: required now"),
    (_drop("command_json", "queues", "in_hand"), "command_json: queues: in_hand: gone"),
]


@pytest.mark.parametrize(("change", "loss"), BREAKING, ids=[loss for _, loss in BREAKING])
def test_a_loss_is_noticed(names: Names, change: Callable[[Names], None], loss: str) -> None:
    changed = deepcopy(names)
    change(changed)

    assert losses(names, changed) == [loss]


def test_new_names_are_no_loss(names: Names) -> None:
    before = deepcopy(names)
    for drop in (
        _drop("http", CHANGE), _drop("http", "GET /api/diagrams", "parameters", "query limit"),
        _drop("messages", EVENT, "data", "version"), _drop("metrics", "autograph_parked_total"),
        _drop("settings", "HTTP_PORT"), _drop("log_events", "request_answered", "status"),
        _drop("commands", "doctor", "--json"), _drop("codes", "stale_revision"),
    ):  # fmt: skip
        drop(before)

    assert losses(before, names) == []
