"""The few shapes that a picture is drawn with, as elements of an SVG."""

import textwrap
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

INK: Final = "#24292e"
NONE: Final = "none"
LETTER: Final = 0.54  # an average letter's width, of its height


def box(parent: ET.Element, x: float, y: float, width: float, height: float, **how: object) -> None:
    place = {"x": f"{x:g}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    ET.SubElement(parent, "rect", place | {name: str(value) for name, value in how.items()})


def line(
    parent: ET.Element,
    points: Sequence[tuple[float, float]],
    stroke: str,
    *,
    fill: str = NONE,
    opacity: str = "1",
    dashes: str = NONE,
    closed: bool = False,
) -> None:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    attributes = {"d": f"M{path}{'Z' if closed else ''}", "stroke": stroke, "fill": fill}
    if opacity != "1":
        attributes["opacity"] = opacity
    if dashes != NONE:
        attributes["stroke-dasharray"] = dashes
    ET.SubElement(parent, "path", attributes)


def text(
    parent: ET.Element,
    x: float,
    y: float,
    words: str,
    *,
    size: int = 11,
    weight: str = "400",
    fill: str = INK,
    anchor: str = "start",
    fits: float | None = None,
) -> None:
    """With *fits*, cut where it would be wider."""
    if fits is not None and len(words) > _letters(fits, size):
        words = f"{words[: max(1, _letters(fits, size) - 1)]}…"
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "font-size": str(size), "fill": fill}
    if weight != "400":
        attributes["font-weight"] = weight
    if anchor != "start":
        attributes["text-anchor"] = anchor
    ET.SubElement(parent, "text", attributes).text = words


def wrapped(words: str, width: float, size: int, *, rows: int) -> list[str]:
    """Lines that are no wider; what needs more than *rows* of them is cut."""
    return textwrap.wrap(words, _letters(width, size), max_lines=rows, placeholder="…")


def _letters(width: float, size: int) -> int:
    """How many fit, by a letter's usual width."""
    return int(width / (size * LETTER))
