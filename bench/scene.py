"""A canvas of about 4 KiB, as a client would send it: many small elements, not one long string."""

import json
import random
from typing import Any

BYTES = 4096


def _elements() -> list[dict[str, Any]]:
    dice = random.Random(4096)  # the same in each run
    elements: list[dict[str, Any]] = []
    while len(json.dumps(elements, separators=(",", ":"))) < BYTES - 150:
        elements.append(
            {
                "id": f"{dice.getrandbits(64):016x}",
                "type": dice.choice(["rectangle", "ellipse", "arrow", "text"]),
                "x": round(dice.uniform(-2000, 2000), 2),
                "y": round(dice.uniform(-2000, 2000), 2),
                "width": dice.randrange(20, 400),
                "height": dice.randrange(20, 400),
            }
        )
    return elements


ELEMENTS = _elements()
_ENCODED = json.dumps(ELEMENTS, separators=(",", ":")).encode()
DIAGRAM = b'{"title":"Plan","type":"canvas","canvas_data":{"elements":' + _ENCODED + b"}}"


def changed(number: int) -> bytes:
    """A change to a content that no other number has."""
    return b'{"canvas_data":{"number":%d,"elements":%b}}' % (number, _ENCODED)
