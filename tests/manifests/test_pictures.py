"""The pictures of the dashboards: of those that there are, and fit to be looked at on a page."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from compose.grafana.build import dashboards
from tests.tools import ROOT

PICTURES = ROOT / "docs" / "pictures"
PAGE = ROOT / "docs" / "observability.md"
BOARDS = {Path(name).stem: board for name, board in dashboards().items()}
MOST_BYTES = 300_000


def drawn(name: str) -> ET.Element:
    return ET.parse(PICTURES / f"{name}.svg").getroot()  # noqa: S314 - our own


@pytest.mark.parametrize(("name", "board"), BOARDS.items(), ids=BOARDS)
def test_a_picture_shows_the_panels_that_its_dashboard_has(name: str, board: dict[str, Any]) -> None:
    titles = {element.text for element in drawn(name).iterfind(".//{*}text") if element.get("font-weight") == "600"}
    assert {board["title"], *(panel["title"] for panel in board["panels"])} <= titles, "make pictures"


@pytest.mark.parametrize("name", BOARDS)
def test_a_picture_is_small_and_asks_for_nothing_from_elsewhere(name: str) -> None:
    text = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert not re.search(r"<script|href=|url\(|@import|<image|<foreignObject", text)


def test_each_picture_is_shown_on_the_page_about_dashboards_and_no_other_lies_around() -> None:
    shown = re.findall(r"!\[[^\]]+\]\(pictures/([a-z]+)\.svg\)", PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(BOARDS) == sorted(path.stem for path in PICTURES.iterdir())
