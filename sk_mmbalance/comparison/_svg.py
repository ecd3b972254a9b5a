"""Small charts as SVG, coloured by the page they stand in: light or dark, no script, no font."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH = 420
_RIGHT, _TOP, _BOTTOM = 10, 8, 38
_ROW = 24

Points = Sequence[tuple[float, float]]


def written(number: float) -> str:
    """A tick's number, short."""
    return f"{number:.4g}".replace("-", "−")


@dataclass(frozen=True)
class Axis:
    """From values to pixels.

    Attributes
    ----------
    low, high : float
        Values at the ends.
    start, end : float
        Pixels at the ends.
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> Axis:
        """An axis that shows all values, with a little room."""
        shown = [v for v in values if np.isfinite(v)]
        low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
        room = 0.06 * (high - low) or 0.05 * (abs(high) or 1.0)
        return cls(low - room, high + room, start, end)

    def at(self, value: float) -> float:
        """Pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers that are marked."""
        raw = (self.high - self.low) / 5
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * f for f in (1, 2, 2.5, 5, 10) if size * f >= raw)
        first = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _frame(height: float, parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _bottom_axis(axis: Axis, top: float, bottom: float, label: str) -> list[str]:
    parts = []
    for value in axis.ticks():
        x = axis.at(value)
        parts += [_line(x, top, x, bottom, "grid"), _text(x, bottom + 14, written(value))]
    return [*parts, _text((axis.start + axis.end) / 2, bottom + 31, label)]


def _margin(names: Sequence[str]) -> float:
    """Room for names at the left; a letter is about 6.4 pixels wide."""
    return min(170.0, 12 + 6.4 * max((len(name) for name in names), default=0))


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


def dots(
    rows: Sequence[tuple[str, str, Sequence[float], float]],
    label: str,
    mark: float | None,
    partial: Sequence[str] = (),
) -> str:
    """Rows of points and their mean: ``(name, class of its colour, values, mean)``.

    Means of the names in `partial` are hollow.
    """
    names = [_short(row[0]) for row in rows]
    left, bottom = _margin(names), _TOP + _ROW * len(rows)
    axis = Axis.over([v for row in rows for v in row[2]], left, WIDTH - _RIGHT)
    parts = _bottom_axis(axis, _TOP, bottom, label)
    if mark is not None:
        parts.append(_line(axis.at(mark), _TOP, axis.at(mark), bottom, "mark"))
    for place, (_, colour, values, mean) in enumerate(rows):
        y = _TOP + _ROW * (place + 0.5)
        parts.append(_text(left - 6, y + 4, names[place], "end"))
        parts += [
            f'<circle cx="{axis.at(v):.1f}" cy="{y:.1f}" r="3" class="{colour} faint"/>'
            for v in values
            if np.isfinite(v)
        ]
        x = axis.at(mean)
        # the class of lines in the colour of fillings "c0" is "s0"
        kind = f"hollow s{colour[-1]}" if rows[place][0] in partial else colour
        parts.append(
            f'<path d="M{x:.1f} {y - 7:.1f}l6 7l-6 7l-6 -7z" class="{kind}">'
            f"<title>{written(mean)}</title></path>"
        )
    return _frame(bottom + _BOTTOM, parts, label)


def bars(
    rows: Sequence[tuple[str, float, float, float]], label: str, partial: Sequence[str] = ()
) -> str:
    """Bars with their intervals: ``(name, value, low, high)``; hollow for those in `partial`."""
    names = [_short(row[0]) for row in rows]
    left, bottom = _margin(names), _TOP + _ROW * len(rows)
    axis = Axis.over([0.0, *(v for row in rows for v in row[1:])], left, WIDTH - _RIGHT)
    parts = _bottom_axis(axis, _TOP, bottom, label)
    for place, (_, value, low, high) in enumerate(rows):
        y = _TOP + _ROW * (place + 0.5)
        x, zero = axis.at(value), axis.at(0.0)
        parts.append(_text(left - 6, y + 4, names[place], "end"))
        parts.append(
            f'<rect x="{min(x, zero):.1f}" y="{y - 7:.1f}" width="{abs(x - zero):.1f}" '
            f'height="14" class="{"hollow s0" if rows[place][0] in partial else "c0"}">'
            f"<title>{written(value)}</title></rect>"
        )
        if np.isfinite(low) and np.isfinite(high):
            parts.append(_line(axis.at(low), y, axis.at(high), y, "whisker"))
    parts.append(_line(axis.at(0.0), _TOP, axis.at(0.0), bottom, "axis"))
    return _frame(bottom + _BOTTOM, parts, label)


def lines(
    curves: Mapping[str, Points],
    labels: tuple[str, str],
    *,
    diagonal: bool = False,
    dashed: str | None = None,
) -> str:
    """Curves, each with its colour and mark, explained below."""
    xs = [x for points in curves.values() for x, _ in points]
    ys = [y for points in curves.values() for _, y in points]
    bottom = 200.0
    x_axis = Axis.over(xs, 46, WIDTH - _RIGHT)
    y_axis = Axis.over(ys, bottom, _TOP)
    parts = _both_axes(x_axis, y_axis, bottom, labels)
    if diagonal:
        low, high = max(x_axis.low, y_axis.low), min(x_axis.high, y_axis.high)
        parts.append(
            _line(x_axis.at(low), y_axis.at(low), x_axis.at(high), y_axis.at(high), "mark")
        )
    for number, (name, points) in enumerate(curves.items()):
        kept = [(x_axis.at(x), y_axis.at(y)) for x, y in points if np.isfinite(y)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in kept)
        kind = f"s{number % 6}" + (" dashed" if name == dashed else "")
        parts.append(f'<polyline points="{path}" class="{kind}"/>')
        step = max(1, len(kept) // 8)
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" class="c{number % 6}"/>'
            for x, y in kept[::step]
        ]
    legend, height = _legend(list(curves), bottom + 48)
    return _frame(height, [*parts, *legend], f"{labels[1]} by {labels[0]}")


def _both_axes(x_axis: Axis, y_axis: Axis, bottom: float, labels: tuple[str, str]) -> list[str]:
    parts = _bottom_axis(x_axis, _TOP, bottom, labels[0])
    for value in y_axis.ticks():
        y = y_axis.at(value)
        parts += [
            _line(x_axis.start, y, x_axis.end, y, "grid"),
            _text(x_axis.start - 5, y + 4, written(value), "end"),
        ]
    return parts


def _legend(names: Sequence[str], top: float) -> tuple[list[str], float]:
    """Names in as many lines as they need, and where the last one ends."""
    parts, x, y = [], 46.0, top
    for number, name in enumerate(names):
        width = 30 + 7 * len(_short(name))
        if x + width > WIDTH and x > 46:
            x, y = 46.0, y + 17
        parts.append(
            f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="12" height="8" class="c{number % 6}"/>'
        )
        parts.append(_text(x + 16, y, _short(name), "start"))
        x += width
    return parts, y + 8
