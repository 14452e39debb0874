"""Numbers as people read them, and axes that end at round ones."""

import pytest

from compose.grafana.figures import ticks, written


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0 s"),
        (0.00025, "s", "250 µs"),
        (0.0123, "s", "12.3 ms"),
        (1.5, "s", "1.5 s"),
        (90, "s", "1.5 min"),
        (7200, "s", "2 h"),
        (104_857_600, "bytes", "100 MiB"),
        (12, "bytes", "12 B"),
        (0.0144, "percentunit", "1.44 %"),
        (1, "percentunit", "100 %"),
        (1234.5, "reqps", "1.23k req/s"),
        (0.5, "ops", "0.5 /s"),
        (3, "short", "3"),
        (1_500_000, "short", "1.5M"),
        (0.00001, "short", "0"),
    ],
)
def test_a_figure_has_three_digits_and_its_unit(value: float, unit: str, text: str) -> None:
    assert written(value, unit) == text


@pytest.mark.parametrize(
    ("most", "unit", "marks"),
    [
        (0, "short", [0, 1]),
        (1, "short", [0, 0.25, 0.5, 0.75, 1]),
        (37, "ops", [0, 10, 20, 30, 40]),
        (0.3, "s", [0, 0.1, 0.2, 0.3]),
        (200, "s", [0, 60, 120, 180, 240]),
        (100 * 2**20, "bytes", [0, 25 * 2**20, 50 * 2**20, 75 * 2**20, 100 * 2**20]),
    ],
)
def test_an_axis_holds_what_is_shown_in_round_steps_of_its_unit(most: float, unit: str, marks: list[float]) -> None:
    assert ticks(most, unit) == pytest.approx(marks)


@pytest.mark.parametrize("most", [0.00013, 0.7, 1.0, 2.0, 3.3, 9.99, 10, 123, 59.9, 60, 4000, 86_401, 5e9])
@pytest.mark.parametrize("unit", ["short", "s", "bytes", "percentunit"])
def test_an_axis_is_never_shorter_than_what_is_shown_nor_much_longer(most: float, unit: str) -> None:
    marks = ticks(most, unit)
    assert most <= marks[-1] * 1.000001
    assert marks[-1] < 2.1 * most
    assert 3 <= len(marks) <= 6
