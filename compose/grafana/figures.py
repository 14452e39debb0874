"""Formats numbers as Grafana does, and computes axis ticks."""

import math
from typing import Final

_THOUSANDS: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES: Final = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_SECONDS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SUFFIX: Final = {"reqps": " req/s", "ops": " /s"}
_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


def written(value: float, unit: str) -> str:
    """*unit*: Grafana's name of the unit."""
    if unit == "percentunit":
        return f"{_short(value * 100)} %"
    if unit == "s":
        return _scaled(value, _SECONDS, smallest=" s", space=" ")
    if unit == "bytes":
        return _scaled(value, _BYTES, smallest=" B", space=" ")
    return _scaled(value, _THOUSANDS, smallest="", space="") + _SUFFIX.get(unit, "")


def _scaled(value: float, scales: tuple[tuple[float, str], ...], *, smallest: str, space: str) -> str:
    for size, name in scales:
        if abs(value) >= size:
            return f"{_short(value / size)}{space}{name}"
    return f"{_short(value)}{smallest}"


def _short(value: float) -> str:
    """Three significant digits, without trailing zeros."""
    if value == 0 or abs(value) >= 100:  # noqa: PLR2004 - three digits
        return f"{value:.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ticks(most: float, unit: str, about: int = 4) -> list[float]:
    """Ticks from 0 to at least *most*, at round steps; at least two."""
    if most <= 0:
        return [0.0, 1.0]
    base = _base(most, unit)
    step = most / base / about
    magnitude = 10.0 ** math.floor(math.log10(step))
    step = next(nice for nice in _ROUND if nice * magnitude >= step - 1e-12) * magnitude * base
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)]


def _base(most: float, unit: str) -> float:
    """The base for round steps: seconds and bytes have other ones than decimal units."""
    scales = {"s": _SECONDS[:3], "bytes": _BYTES}.get(unit, ())
    return next((size for size, _ in scales if most >= size), 1.0)
