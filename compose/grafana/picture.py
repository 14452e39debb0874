"""Draws dashboards as SVG pictures from Prometheus' results."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from compose.grafana.figures import ticks, written
from compose.grafana.prometheus_queries import PanelResult, Point, QueryResults, Series, Window
from compose.grafana.svg import INK, NONE, box, line, text, wrapped

CELL: Final = (52, 31)  # one of Grafana's grid, in pixels
MARGIN: Final = 8
HEAD: Final = 84
LEGEND_ROWS: Final = 4
LEGEND_LINE: Final = 14
AXIS: Final = 58  # left of a chart, for its figures
SMALL: Final = 10
WIDEST: Final = 24 * CELL[0] + 2 * MARGIN
COLOURS: Final = (
    "#4f9f3f", "#d9a400", "#2f9fc4", "#e0752d", "#bf1b00", "#1f60c4", "#ba43a9", "#705da0", "#37872d", "#8f6b00",
    "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477",
)  # fmt: skip
FAINT, LINES, ALARM, GOOD = "#6a737d", "#e1e4e8", "#d1242f", "#2a7d2e"
GAP_STEPS: Final = 1.5  # two points that are further apart are not joined


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was done to the system, marked in every panel."""

    at: float  # seconds since 1970
    what: str


@dataclass(frozen=True, slots=True)
class Run:
    """What the figures are from."""

    window: Window
    notes: tuple[Note, ...]
    caption: str  # to the reader, in a line


@dataclass(frozen=True, slots=True)
class _Chart:
    """Where in the picture a panel's values are."""

    x: float
    y: float
    width: float
    height: float
    window: Window
    maximum: float

    def place(self, point: Point) -> tuple[float, float]:
        return self.across(point[0]), self.y + self.height * (1 - min(point[1], self.maximum) / self.maximum)

    def across(self, time: float) -> float:
        return self.x + self.width * (time - self.window.start) / self.window.seconds


def draw(answers: QueryResults, run: Run) -> str:
    """An SVG."""
    rows = max(place["y"] + place["h"] for place in (shown.panel["gridPos"] for shown in answers.panels))
    height = HEAD + rows * CELL[1] + MARGIN
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDEST} {height}",
            "width": str(WIDEST),
            "height": str(height),
            "font-family": "-apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif",
            "font-size": "11",
            "fill": INK,
        },
    )
    box(root, 0, 0, WIDEST, height, fill="#f6f8fa")
    _head(root, answers, run)
    for shown in answers.panels:
        _panel(root, shown, run, answers.alerts)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode") + "\n"


def _head(root: ET.Element, answers: QueryResults, run: Run) -> None:
    text(root, MARGIN + 4, 24, answers.board["title"], size=18, weight="600")
    text(root, MARGIN + 4, 42, run.caption, fill=FAINT)
    done = "; ".join(f"{number}) {_clock(note.at)[:5]} {note.what}" for number, note in enumerate(run.notes, 1))
    text(root, MARGIN + 4, 58, f"Marked: {done}." if done else "", fill=FAINT, fits=WIDEST - 2 * MARGIN)
    fired = fired_when(answers.alerts, run.window)
    text(root, MARGIN + 4, 74, f"Alerts fired (red): {', '.join(fired) or NONE}.", fill=ALARM if fired else FAINT)


def fired_when(alerts: Sequence[Series], window: Window) -> list[str]:
    """Each name once, with each time that it fired for anything."""
    times: dict[str, set[float]] = {}
    for alert in alerts:
        times.setdefault(alert.legend, set()).update(time for time, _ in alert.points)
    caption = []
    for name, fired in sorted(times.items()):
        whiles = _stretches(Series(name, tuple((time, 1.0) for time in sorted(fired))), window)
        caption.append(" ".join([name, *(f"{_clock(stretch[0][0])}-{_clock(stretch[-1][0])}" for stretch in whiles)]))
    return caption


def _panel(root: ET.Element, shown: PanelResult, run: Run, alerts: Sequence[Series]) -> None:
    place = shown.panel["gridPos"]
    x, y = MARGIN + place["x"] * CELL[0] + 3, HEAD + place["y"] * CELL[1] + 3
    width, height = place["w"] * CELL[0] - 6, place["h"] * CELL[1] - 6
    group = ET.SubElement(root, "g")
    box(group, x, y, width, height, fill="#ffffff", stroke=LINES, rx=3)
    text(group, x + 8, y + 17, shown.panel["title"], size=12, weight="600")
    is_stat = shown.panel["type"] == "stat"
    for row, words in enumerate(wrapped(shown.panel["description"], width - 16, SMALL, rows=3 if is_stat else 1)):
        text(group, x + 8, y + 31 + 13 * row, words, size=SMALL, fill=FAINT)
    if not shown.series:
        text(group, x + width / 2, y + height / 2, "No data", fill=FAINT, anchor="middle")
    elif is_stat:
        _stat(group, shown, run.window, (x, y, width, height))
    else:
        lines = min(LEGEND_ROWS, (len(shown.series) + 1) // 2)
        below = lines * LEGEND_LINE + 22
        inner = (x + AXIS, y + 42, width - AXIS - 12, height - 42 - below)
        _timeseries(group, shown, inner, run, alerts)
        _legend(group, shown, (x + 10, y + height - below + 26, width - 20), lines)


def _stat(group: ET.Element, shown: PanelResult, window: Window, inside: tuple[float, float, float, float]) -> None:
    """The last value, in its threshold's colour, over its course."""
    x, y, width, height = inside
    series = shown.series[0]
    limit = _limit(shown)
    colour = ALARM if limit is not None and series.last >= limit else GOOD
    chart = _Chart(x + 4, y + height * 0.62, width - 8, height * 0.36, window, max(series.maximum, 1e-12))
    for stretch in _stretches(series, window):
        floor = [(stretch[-1][0], 0.0), (stretch[0][0], 0.0)]
        line(
            group, [chart.place(point) for point in [*stretch, *floor]], NONE, fill=colour, opacity="0.12", closed=True
        )
        line(group, [chart.place(point) for point in stretch], colour)
    value = written(series.last, _unit(shown))
    text(group, x + width / 2, y + height * 0.5, value, size=26, weight="600", fill=colour, anchor="middle")


def _timeseries(
    group: ET.Element, shown: PanelResult, inside: tuple[float, float, float, float], run: Run, alerts: Sequence[Series]
) -> None:
    x, y, width, height = inside
    window = run.window
    stacked = shown.panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    layers = stack(shown.series) if stacked else [(series.points, ()) for series in shown.series]
    marks = ticks(max(value for top, _ in layers for _, value in top), _unit(shown))
    chart = _Chart(x, y, width, height, window, marks[-1])
    _bands(group, chart, alerts)
    for mark in marks:
        at = chart.place((window.start, mark))[1]
        line(group, [(x, at), (x + width, at)], LINES)
        text(group, x - 6, at + 3, written(mark, _unit(shown)), size=SMALL, fill=FAINT, anchor="end")
    for minute in _minutes(window):
        at = chart.across(minute)
        text(group, at, y + height + 13, _clock(minute)[:5], size=SMALL, fill=FAINT, anchor="middle")
    for number, note in enumerate(run.notes, 1):
        at = chart.across(note.at)
        line(group, [(at, y), (at, y + height)], FAINT, dashes="2 3")
        text(group, at + 2, y + 8, str(number), size=9, fill=FAINT)
    limit = _limit(shown)
    if limit is not None and limit <= chart.maximum:
        at = chart.place((window.start, limit))[1]
        line(group, [(x, at), (x + width, at)], ALARM, dashes="6 4")
    for number, (top, bottom) in enumerate(layers):
        colour = COLOURS[number % len(COLOURS)]
        floor = dict(bottom)
        for stretch in _stretches(Series("", tuple(top)), window):
            points = [chart.place(point) for point in stretch]
            if stacked:
                below = [chart.place((time, floor[time])) for time, _ in reversed(stretch)]
                line(group, [*points, *below], NONE, fill=colour, opacity="0.25", closed=True)
            line(group, points, colour)


def stack(series: Sequence[Series]) -> list[tuple[Sequence[Point], Sequence[Point]]]:
    """Each series' upper and lower edge, the first at the bottom. A step where it has no value adds nothing."""
    times = sorted({time for one in series for time, _ in one.points})
    below = dict.fromkeys(times, 0.0)
    layers: list[tuple[Sequence[Point], Sequence[Point]]] = []
    for one in series:
        values = dict(one.points)
        above = {time: below[time] + values.get(time, 0.0) for time in times}
        layers.append((list(above.items()), list(below.items())))
        below = above
    return layers


def _bands(group: ET.Element, chart: _Chart, alerts: Sequence[Series]) -> None:
    """While anything fires."""
    step = chart.window.step
    fired = Series("", tuple((time, 1.0) for time in sorted({time for alert in alerts for time, _ in alert.points})))
    for stretch in _stretches(fired, chart.window):
        left = max(chart.x, chart.across(stretch[0][0] - step / 2))
        right = min(chart.x + chart.width, chart.across(stretch[-1][0] + step / 2))
        box(group, left, chart.y, right - left, chart.height, fill=ALARM, opacity="0.07")


def _legend(group: ET.Element, shown: PanelResult, inside: tuple[float, float, float], lines: int) -> None:
    """Two columns, filled downwards; of more than fit, the largest."""
    x, y, width = inside
    room = 2 * LEGEND_ROWS
    listed = list(enumerate(shown.series))
    if len(listed) > room:
        listed = sorted(sorted(listed, key=lambda entry: -entry[1].maximum)[: room - 1])
        lines = LEGEND_ROWS
    for place, (number, series) in enumerate(listed):
        left, top = x + (place // lines) * width / 2, y + (place % lines) * LEGEND_LINE
        box(group, left, top - 4, 10, 3, fill=COLOURS[number % len(COLOURS)])
        figures = f"{written(series.last, _unit(shown))}, max {written(series.maximum, _unit(shown))}"
        room_for_name = width / 2 - 30 - len(figures) * 5.4
        text(group, left + 15, top, series.legend, size=SMALL, fits=room_for_name)
        text(group, left + width / 2 - 10, top, figures, size=SMALL, fill=FAINT, anchor="end")
    if len(listed) < len(shown.series):
        left, top = x + width / 2, y + (LEGEND_ROWS - 1) * LEGEND_LINE
        text(group, left + 15, top, f"and {len(shown.series) - len(listed)} smaller", size=SMALL, fill=FAINT)


def _stretches(series: Series, window: Window) -> list[list[Point]]:
    """Its points, parted where steps are missing."""
    stretches: list[list[Point]] = []
    for point in series.points:
        if not stretches or point[0] - stretches[-1][-1][0] > window.step * GAP_STEPS:
            stretches.append([])
        stretches[-1].append(point)
    return stretches


def _minutes(window: Window) -> list[float]:
    """Some six full minutes, for the axis of time."""
    every = max(1, round(window.seconds / 60 / 6)) * 60
    first = -(-window.start // every) * every
    return [first + number * every for number in range(int((window.end - first) // every) + 1)]


def _unit(shown: PanelResult) -> str:
    unit: str = shown.panel["fieldConfig"]["defaults"]["unit"]
    return unit


def _limit(shown: PanelResult) -> float | None:
    limit: float | None = shown.panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
    return limit


def _clock(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%S")
