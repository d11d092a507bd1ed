"""Geometry of the report's charts: numbers in, positions out; the template draws them.

Drawn as HTML and SVG by the page itself, a chart follows the page's colours, light or dark, and its text can be read
out, searched and copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 26
TICKS = 4


@dataclass(frozen=True)
class Measured:
    """A value with its interval."""

    value: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """Three decimals; the interval where there is one."""
        interval = f" ({self.low:.3f} to {self.high:.3f})" if self.low < self.high else ""
        return f"{self.value:.3f}{interval}"


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart; start and lengths in percent of the chart's width."""

    label: str
    kind: str
    measured: Measured
    length: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """A point of a line in pixels; ``low`` and ``high`` are the ends of its whisker."""

    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Line:
    """One line of a chart; ``kind`` is its style class."""

    name: str
    kind: str
    points: tuple[Point, ...]

    @property
    def path(self) -> str:
        """The points as SVG's polyline takes them."""
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


@dataclass(frozen=True)
class LineChart:
    """Lines over a few named places, with the ticks of both axes as (position in pixels, label)."""

    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def bars(rows: Sequence[tuple[str, str, Measured]]) -> tuple[Bar, ...]:
    """Bars from (label, kind, value), on one scale that ends at the highest upper bound.

    >>> [b.length for b in bars([("a", "x", Measured(1, 1, 2)), ("b", "x", Measured(0.5, 0.5, 0.5))])]
    [50.0, 25.0]
    """
    longest = max((m.high for _, _, m in rows), default=0.0) or 1.0

    def share(value: float) -> float:
        return round(100.0 * max(value, 0.0) / longest, 2)

    return tuple(Bar(label, kind, m, share(m.value), share(m.low), share(m.high)) for label, kind, m in rows)


def line_chart(title: str, places: Sequence[str], lines: Mapping[str, Sequence[Measured | None]]) -> LineChart:
    """Lines over places; a None leaves a gap in the data out.

    Args:
        title: What the y axis measures.
        places: Names along the x axis.
        lines: Name to one value a place. The style classes are line-0, line-1, … in this order.
    """
    known = [m for values in lines.values() for m in values if m is not None]
    ticks = nice_ticks(min((m.low for m in known), default=0.0), max((m.high for m in known), default=1.0))
    step = (WIDTH - LEFT - RIGHT) / max(len(places), 1)
    x = [LEFT + step * (n + 0.5) for n in range(len(places))]

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - ticks[0]) / (ticks[-1] - ticks[0]))

    def points(values: Sequence[Measured | None]) -> tuple[Point, ...]:
        found = [(at, m) for at, m in zip(x, values, strict=True) if m is not None]
        return tuple(Point(at, y(m.value), y(m.low), y(m.high), m.text) for at, m in found)

    drawn = tuple(Line(name, f"line-{n}", points(values)) for n, (name, values) in enumerate(lines.items()))
    return LineChart(title, drawn, tuple(zip(x, places, strict=True)), tuple((y(t), f"{t:g}") for t in ticks))


def nice_ticks(low: float, high: float) -> list[float]:
    """About four round numbers that enclose low and high; they start at 0 unless the values lie far above it.

    >>> nice_ticks(0.02, 0.37)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    >>> nice_ticks(0.0, 0.0)
    [0.0, 1.0]
    """
    low = 0.0 if low < high / 2 else low
    if high <= low:
        return [floor(low) * 1.0, floor(low) + 1.0]
    raw = (high - low) / TICKS
    power = 10.0 ** floor(log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = floor(low / step), ceil(high / step - 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]
