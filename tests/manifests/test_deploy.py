"""What `make test-deploy` says to Docker and to the packet filter, without either."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.engine import START_INTERVAL_SINCE
from tests.deploy.machine import parse, undoing
from tests.deploy.override import DOCKERFILE, override, stand_in_for
from tests.manifests.compose_files import COMPOSE, OURS, compose, services
from tests.tools import ROOT

BASE = "stand-in/python:3.11"
BEFORE = """
*filter
:INPUT ACCEPT [1:2]
:FORWARD ACCEPT [0:0]
:MINE - [0:0]
-A INPUT -j MINE
-A FORWARD -o docker-like -j ACCEPT
COMMIT
"""
AFTER = """
*filter
:INPUT ACCEPT [3:4]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:MINE - [0:0]
:NEW - [0:0]
-A INPUT -j MINE
-A INPUT -s 10.0.0.0/8 -j NEW
-A FORWARD -j DOCKER
-A FORWARD -o br-0123456789ab ! -i docker0 -m comment --comment "a b" -j ACCEPT
-A FORWARD -o docker-like -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
COMMIT
"""


def test_what_docker_added_to_the_packet_filter_is_taken_away_and_what_others_did_stays() -> None:
    assert undoing(parse(BEFORE), parse(AFTER)).splitlines() == [
        "*filter",
        ":FORWARD ACCEPT [0:0]",
        "-D FORWARD -j DOCKER",
        '-D FORWARD -o br-0123456789ab ! -i docker0 -m comment --comment "a b" -j ACCEPT',
        "-X DOCKER",
        "COMMIT",
        "*nat",
        "-D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-X DOCKER",
        "COMMIT",
    ]


def test_what_was_dockers_before_is_not_touched() -> None:
    assert undoing(parse(AFTER), parse(AFTER)) == ""


def overridden(tmp_path: Path, major: int, base: str | None) -> dict[str, dict[str, Any]]:
    """As Compose reads it over compose.yaml."""
    file = tmp_path / "override.yaml"
    file.write_text(override(major, base), encoding="utf-8")
    done = compose("-f", str(COMPOSE), "-f", str(file), "--profile", "*", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


def test_an_engine_that_has_all_gets_compose_yaml_as_it_is(tmp_path: Path) -> None:
    assert (
        overridden(tmp_path, START_INTERVAL_SINCE, None)
        == json.loads(compose("-f", str(COMPOSE), "--profile", "*", "config", "--format", "json").stdout)["services"]
    )


@pytest.mark.parametrize("base", [None, BASE])
def test_an_older_engine_asks_health_as_often_all_the_time_and_gives_up_as_late(
    base: str | None, tmp_path: Path
) -> None:
    newer = overridden(tmp_path, START_INTERVAL_SINCE, base)
    older = overridden(tmp_path, START_INTERVAL_SINCE - 1, base)

    for name, found in newer.items():
        check = found["healthcheck"]
        if "start_interval" in check:
            usual, often = (int(check[key].removesuffix("s")) for key in ("interval", "start_interval"))
            check["interval"] = check.pop("start_interval")
            check["retries"] = check["retries"] * usual // often
        assert older[name] == found


def test_without_a_registry_an_image_is_named_by_what_stands_in_for_it_and_ours_are_built_on_the_base(
    tmp_path: Path,
) -> None:
    found = overridden(tmp_path, START_INTERVAL_SINCE, BASE)
    stages = set(re.findall(r"^FROM base AS (\S+)$", (ROOT / DOCKERFILE).read_text("utf-8"), re.MULTILINE))

    for name, service in found.items():
        assert service["build"]["args"]["BASE"] == BASE
        if name not in OURS:
            assert service["image"] == stand_in_for(services()[name]["image"])
    targets = {service["build"]["target"] for name, service in found.items() if name not in OURS}
    assert targets == stages
    for name in OURS:
        assert (found[name]["image"], found[name]["build"]["target"]) == (
            services()[name]["image"],
            services()[name]["build"]["target"],
        )
