"""Canvas scenes of any size: boxes with text in a grid, arrows between neighbours; the same for the same seed."""

import random
from typing import Any

WIDTH, HEIGHT = 160, 90
STROKES = ("#1e1e1e", "#1971c2", "#2f9e44", "#e03131")
FILLS = ("transparent", "#a5d8ff", "#b2f2bb", "#ffec99")
UPDATED = 1764500000000


def scene(elements: int, seed: int = 7) -> dict[str, Any]:
    """As the page stores it, in ``canvas_data``."""
    grid = _Grid(elements, random.Random(seed))  # noqa: S311 - no secret
    return {
        "type": "excalidraw",
        "version": 2,
        "source": "test",
        "elements": grid.filled(),
        "appState": {"viewBackgroundColor": "#ffffff"},
        "files": {},
    }


class _Grid:
    def __init__(self, size: int, dice: random.Random) -> None:
        self._size = size
        self._dice = dice
        self._elements: list[dict[str, Any]] = []
        self._boxes: list[dict[str, Any]] = []

    def filled(self) -> list[dict[str, Any]]:
        columns = int((self._size / 2) ** 0.5) + 1
        place = 0
        while len(self._elements) < self._size:
            self._add_box(place, place % columns * 260, place // columns * 180)
            if place % columns:
                self._add_arrow()
            place += 1
        return self._elements[: self._size]

    def _add_box(self, number: int, x: int, y: int) -> None:
        box = self._element(self._dice.choice(("rectangle", "rectangle", "ellipse", "diamond")), x, y, WIDTH, HEIGHT)
        text = self._element("text", x + 20, y + 32, 120, 25)
        text |= {
            "text": f"Service {number}", "originalText": f"Service {number}", "fontSize": 20, "fontFamily": 5,
            "textAlign": "center", "verticalAlign": "middle", "containerId": box["id"], "autoResize": True,
            "lineHeight": 1.25, "backgroundColor": "transparent",
        }  # fmt: skip
        if len(self._elements) + 2 <= self._size:
            box["boundElements"].append({"type": "text", "id": text["id"]})
        self._elements += [box, text]
        self._boxes.append(box)

    def _add_arrow(self) -> None:
        if len(self._elements) >= self._size:
            return
        left, right = self._boxes[-2:]
        arrow = self._element("arrow", left["x"] + WIDTH + 5, left["y"] + HEIGHT // 2, 90, 0)
        arrow |= {
            "points": [[0, 0], [90, 0]], "lastCommittedPoint": None, "startArrowhead": None, "endArrowhead": "arrow",
            "startBinding": {"elementId": left["id"], "focus": 0, "gap": 5},
            "endBinding": {"elementId": right["id"], "focus": 0, "gap": 5}, "elbowed": False,
            "backgroundColor": "transparent",
        }  # fmt: skip
        for end in (left, right):
            end["boundElements"].append({"type": "arrow", "id": arrow["id"]})
        self._elements.append(arrow)

    def _element(self, kind: str, x: int, y: int, width: int, height: int) -> dict[str, Any]:
        dice = self._dice
        return {
            "id": f"{dice.getrandbits(80):020x}", "type": kind, "x": x, "y": y, "width": width, "height": height,
            "angle": 0, "strokeColor": dice.choice(STROKES), "backgroundColor": dice.choice(FILLS),
            "fillStyle": dice.choice(("solid", "hachure")), "strokeWidth": 2, "strokeStyle": "solid", "roughness": 1,
            "opacity": 100, "groupIds": [], "frameId": None, "roundness": {"type": 3} if kind == "rectangle" else None,
            "seed": dice.getrandbits(31), "version": 3, "versionNonce": dice.getrandbits(31), "isDeleted": False,
            "boundElements": [], "updated": UPDATED, "link": None, "locked": False,
        }  # fmt: skip
