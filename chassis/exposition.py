"""The scrape: Prometheus' text format, written fast enough not to be felt by the requests beside it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_go: Final[Callable[[float], str]] = floatToGoString
PLAIN_BELOW: Final = 100_000.0  # Go and Python write a float alike below 10⁶


class Registry(CollectorRegistry):
    """Writes what ``generate_latest`` would, in an eighth of its time (1 400 lines, 2026-11-24).

    The client library makes two dictionaries and two tuples for each line of a scrape, and the event loop waits for it.
    Counters and histograms, which are nearly all lines, are written straight from their values here, with the part of a
    line that never changes kept. A test compares both writers line by line.
    """

    def __init__(self) -> None:
        self._fast: list[_Lines] = []
        self._rest = _Rest()
        super().__init__()

    def register(self, collector: Collector) -> None:
        super().register(collector)
        if isinstance(collector, Counter | Histogram):
            self._fast.append(_Lines(collector))
        else:
            self._rest.collectors.append(collector)

    def unregister(self, collector: Collector) -> None:
        super().unregister(collector)
        self._fast = [lines for lines in self._fast if lines.metric is not collector]
        self._rest.collectors = [kept for kept in self._rest.collectors if kept is not collector]

    def scrape(self) -> bytes:
        text: list[str] = []
        for lines in self._fast:
            lines.write(text)
        return "".join(text).encode() + generate_latest(self._rest)


class _Rest(Collector):
    def __init__(self) -> None:
        self.collectors: list[Collector] = []

    def collect(self) -> Iterable[Metric]:
        return [family for collector in self.collectors for family in collector.collect()]


class _Lines:
    """One counter or histogram with all its series."""

    def __init__(self, metric: Counter | Histogram) -> None:
        self.metric = metric
        [family] = metric.describe()
        self._name = family.name
        exposed = f"{family.name}_total" if family.type == "counter" else family.name
        documentation = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
        self._header = f"# HELP {exposed} {documentation}\n# TYPE {exposed} {family.type}\n"
        self._heads: dict[tuple[str, ...], tuple[str, ...]] = {}

    def write(self, text: list[str]) -> None:
        text.append(self._header)
        for labels, child in self._children():
            heads = self._heads.get(labels) or self._new_heads(labels)
            text.extend(
                [
                    f"{head}{value}\n" if value < PLAIN_BELOW else f"{head}{_go(value)}\n"
                    for head, value in zip(heads, _values(child), strict=True)
                ]
            )

    def _children(self) -> Iterable[tuple[tuple[str, ...], Any]]:
        metric: Any = self.metric
        return list(metric._metrics.items()) if metric._labelnames else [((), metric)]  # noqa: SLF001  # see Registry

    def _new_heads(self, values: tuple[str, ...]) -> tuple[str, ...]:
        metric: Any = self.metric
        labels = dict(zip(metric._labelnames, values, strict=True))  # noqa: SLF001  # see Registry
        if isinstance(self.metric, Counter):
            heads = [_head(f"{self._name}_total", labels)]
        else:
            bounds = [_go(bound) for bound in metric._upper_bounds]  # noqa: SLF001  # see Registry
            heads = [_head(f"{self._name}_bucket", {**labels, "le": bound}) for bound in bounds]
            heads += [_head(f"{self._name}_count", labels), _head(f"{self._name}_sum", labels)]
        self._heads[values] = tuple(heads)
        return self._heads[values]


def _values(child: Any) -> Iterator[float]:
    if isinstance(child, Counter):
        yield child._value.get()  # noqa: SLF001  # see Registry
        return
    below = 0.0
    for bucket in child._buckets:  # noqa: SLF001  # see Registry
        below += bucket.get()
        yield below
    yield below
    yield child._sum.get()  # noqa: SLF001  # see Registry


def _head(name: str, labels: dict[str, str]) -> str:
    if not labels:
        return f"{name} "
    pairs = ",".join(f'{label}="{_escape(labels[label])}"' for label in sorted(labels))
    return f"{name}{{{pairs}}} "


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
