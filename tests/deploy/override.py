"""What the engine at hand needs otherwise than compose.yaml says it, as one more compose file.

Only what cannot be had: a registry (images by digest), and health checks that are asked more often at the start
(Docker 25). Everything else is tried as it is written.
"""

import json
from typing import Any

from tests.deploy.engine import START_INTERVAL_SINCE
from tests.manifests.compose_files import OURS, services
from tests.tools import ROOT

DOCKERFILE = "tests/deploy/stand_ins/Dockerfile"
RESET = "__reset__"


def stand_in_for(image: str) -> str:
    """A name that says what it is, and is never taken for the image: without the digest, which it cannot have."""
    return f"stand-in/{image.partition('@')[0]}"


def override(major: int, base: str | None) -> str:
    """For an engine of version *major*. *base*: the image to build on, with stand-ins for all others; or None."""
    changed: dict[str, dict[str, Any]] = {}
    for name, found in services().items():
        change = changed.setdefault(name, {})
        if base and name in OURS:
            change["build"] = {"args": {"BASE": base}}
        elif base:
            image = found["image"]
            target = image.partition(":")[0].rpartition("/")[2]
            change["image"] = stand_in_for(image)
            change["build"] = {
                "context": str(ROOT), "dockerfile": DOCKERFILE, "target": target, "args": {"BASE": base},
            }  # fmt: skip
        if major < START_INTERVAL_SINCE and "start_interval" in (check := found.get("healthcheck", {})):
            # As often, all the time: the tests wait for health. As many more failures are one, so that a busy machine
            # has as long as with a newer engine.
            asked, usually = (int(check[name].removesuffix("s")) for name in ("start_interval", "interval"))
            retries = check["retries"] * usually // asked
            change["healthcheck"] = {
                "interval": check["start_interval"], "retries": retries, "start_interval": RESET,
            }  # fmt: skip
    text = json.dumps({"services": {name: change for name, change in changed.items() if change}}, indent=1)
    return text.replace(f'"{RESET}"', "!reset null")  # YAML has JSON in it, and Compose a tag of its own
