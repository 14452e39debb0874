"""A dashboard drawn from known answers."""

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from compose.grafana.panels import Dashboard, Panel, Query, document
from compose.grafana.picture import ALARM, GOOD, LEGEND_ROWS, Note, Run, draw, fired_when, stack
from compose.grafana.prometheus_queries import PanelResult, QueryResults, Series, Window, legend_of

WINDOW = Window(start=1_000_000_000, end=1_000_000_600, step=10, rate_seconds=40)
RUN = Run(WINDOW, (Note(WINDOW.start + 60, "a worker killed"),), "A run of ten minutes.")
SVG = "{http://www.w3.org/2000/svg}"


def series(legend: str, *values: float, first: int = 0) -> Series:
    return Series(legend, tuple((WINDOW.start + 10 * (first + place), value) for place, value in enumerate(values)))


def picture(panel: Panel, *shown: Series, alerts: tuple[Series, ...] = ()) -> ET.Element:
    board: dict[str, Any] = document(Dashboard("one", "One", "A dashboard.", (panel,)), ())
    answers = QueryResults(board, (PanelResult(board["panels"][0], shown),), alerts)
    return ET.fromstring(draw(answers, RUN))  # noqa: S314 - our own


def chart(limit: float | None = None, *, stacked: bool = False) -> Panel:
    return Panel("Waiting & hoping", "How <long>.", "s", (Query("up", "{{service}}"),), limit=limit, stacked=stacked)


def words(drawn: ET.Element) -> list[str]:
    return [element.text or "" for element in drawn.iter(f"{SVG}text")]


def lines(drawn: ET.Element, **how: str) -> list[ET.Element]:
    return [
        element
        for element in drawn.iter(f"{SVG}path")
        if all(element.get(name) == value for name, value in how.items())
    ]


def test_a_panel_shows_its_title_what_it_means_and_each_series_with_its_last_and_largest_value() -> None:
    said = words(picture(chart(), series("auth", 1, 3, 2), series("diagram", 0.5)))
    for expected in ("Waiting & hoping", "How <long>.", "auth", "2 s, max 3 s", "diagram", "500 ms, max 500 ms"):
        assert expected in said


def test_the_picture_says_what_it_is_from_and_what_was_done() -> None:
    said = words(picture(chart(), series("auth", 1)))
    assert "AutoGraph: One" in said
    assert "A run of ten minutes." in said
    assert "Marked: 1) 01:47 a worker killed." in said
    assert "1" in said  # the mark


def test_where_prometheus_had_nothing_the_line_is_broken_and_not_drawn_through() -> None:
    gapless = picture(chart(), series("auth", *[1.0] * 7))
    gap = picture(chart(), Series("auth", (*series("", 1, 1, 1).points, *series("", 1, 1, 1, first=10).points)))
    colour = lines(gapless, fill="none")[-1].get("stroke") or ""
    assert len(lines(gapless, stroke=colour)) == 1
    assert len(lines(gap, stroke=colour)) == 2


def test_an_area_is_not_filled_over_a_gap_either() -> None:
    gap = Series("auth", (*series("", 1, 1, 1).points, *series("", 1, 1, 1, first=10).points))
    assert len(lines(picture(chart(stacked=True), series("auth", *[1.0] * 7)), stroke="none")) == 1
    assert len(lines(picture(chart(stacked=True), gap), stroke="none")) == 2


def test_a_panel_without_values_says_so() -> None:
    assert "No data" in words(picture(chart()))


def test_a_limit_is_drawn_where_the_axis_reaches_it_and_nowhere_else() -> None:
    assert len(lines(picture(chart(limit=2), series("auth", 3)), stroke=ALARM)) == 1
    assert lines(picture(chart(limit=2), series("auth", 0.1)), stroke=ALARM) == []


@pytest.mark.parametrize(("last", "colour"), [(0.5, GOOD), (1, ALARM), (2, ALARM)])
def test_a_single_figure_has_its_limits_colour(last: float, colour: str) -> None:
    panel = Panel("Alerts", "That fire now.", "short", (Query("up", "up"),), kind="stat", width=4, limit=1)
    drawn = picture(panel, series("alerts", 0, last))
    [figure] = [element for element in drawn.iter(f"{SVG}text") if element.get("font-size") == "26"]
    assert (figure.text, figure.get("fill")) == (f"{last:g}", colour)


def test_stacked_series_stand_on_each_other_also_where_one_is_missing() -> None:
    below, above = stack([series("a", 1, 1), series("b", 2, first=1)])
    assert [value for _, value in below[0]] == [1, 1]
    assert [value for _, value in above[1]] == [1, 1]
    assert [value for _, value in above[0]] == [1, 3]
    assert "4 s" in words(picture(chart(stacked=True), series("a", 2), series("b", 2)))  # the axis holds the sum


def test_what_is_higher_is_drawn_higher() -> None:
    drawn = picture(chart(), series("a", 1, 4))
    path = lines(drawn, fill="none")[-1].get("d") or ""
    (left, low), (right, high) = [tuple(map(float, point.split())) for point in path[1:].split("L")]
    assert left < right
    assert low > high


def test_of_more_series_than_fit_the_largest_are_named_and_the_rest_are_counted() -> None:
    many = [series(f"number{place:02}", place) for place in range(2 * LEGEND_ROWS + 3)]
    said = words(picture(chart(), *many))
    named = [word for word in said if re.fullmatch(r"number\d\d", word)]
    assert named == [f"number{place:02}" for place in range(4, 2 * LEGEND_ROWS + 3)]
    assert "and 4 smaller" in said


def test_what_fired_is_named_with_each_of_its_times_and_shown_in_every_panel() -> None:
    alert = Series("ProcessDown", (*series("", 1, 1).points, *series("", 1, 1, first=30).points))
    assert fired_when((alert,), WINDOW) == ["ProcessDown 01:46:40-01:46:50 01:51:40-01:51:50"]
    drawn = picture(chart(), series("auth", 1), alerts=(alert,))
    assert "Alerts fired (red): ProcessDown 01:46:40-01:46:50 01:51:40-01:51:50." in words(drawn)
    assert len([box for box in drawn.iter(f"{SVG}rect") if box.get("fill") == ALARM]) == 2
    assert "Alerts fired (red): none." in words(picture(chart(), series("auth", 1)))


def test_a_legend_is_made_of_labels_and_a_label_that_is_missing_leaves_nothing() -> None:
    assert (
        legend_of("{{service}} on {{ pool }}: {{state}}", {"service": "auth", "pool": "postgres"})
        == "auth on postgres:"
    )
    assert legend_of("p99", {"service": "auth"}) == "p99"
