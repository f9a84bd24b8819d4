"""A plot of points and lines as SVG: two axes with ticks, a legend, a colour for each series."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np

_COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4f9d", "#b08900", "#555555")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 400, 70, 140, 20, 56
_TICKS = 5


class Series(NamedTuple):
    """Points that are marked, and lines that led to them; each point is (x, y)."""

    points: Sequence[tuple[float, float]]
    lines: Sequence[Sequence[tuple[float, float]]] = ()


def scatter(series: Mapping[str, Series], x_label: str, y_label: str) -> str:
    """Draws series.

    Args:
        series: what it is called in the legend -> its points and lines; points that are not finite are left out.
        x_label, y_label: what the axes show.

    Returns:
        The SVG file as text. The axes span the marked points and a third more on each side; lines are cut there.
    """
    marked = _finite([point for each in series.values() for point in each.points])
    (x_low, x_high), (y_low, y_high) = (_span([point[axis] for point in marked]) for axis in (0, 1))

    def place(point):
        right = (point[0] - x_low) / (x_high - x_low)
        up = (point[1] - y_low) / (y_high - y_low)
        return _LEFT + right * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _BOTTOM - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12" fill="#222">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<clipPath id="inside"><rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" '
        f'height="{_HEIGHT - _BOTTOM - _TOP}"/></clipPath>',
    ]
    for value in _ticks(x_low, x_high):
        x, _ = place((value, y_low))
        parts.append(_line(x, _TOP, x, _HEIGHT - _BOTTOM, "#ddd"))
        parts.append(_text(x, _HEIGHT - _BOTTOM + 16, f"{value:g}", "middle"))
    for value in _ticks(y_low, y_high):
        _, y = place((x_low, value))
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "#ddd"))
        parts.append(_text(_LEFT - 6, y + 4, f"{value:g}", "end"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_label, "middle"))
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(_text(16, middle, y_label, "middle", f' transform="rotate(-90 16 {middle:.1f})"'))
    for number, (name, each) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for line in each.lines:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, _finite(line)))
            style = f'fill="none" stroke="{colour}" stroke-opacity="0.45" clip-path="url(#inside)"'
            parts.append(f'<polyline points="{path}" {style}/>')
        for x, y in map(place, _finite(each.points)):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
        y = _TOP + 8 + 18 * number  # beside the axes, where no point is
        parts.append(f'<circle cx="{_WIDTH - _RIGHT + 14}" cy="{y - 4}" r="4.5" fill="{colour}"/>')
        parts.append(_text(_WIDTH - _RIGHT + 24, y, name, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _finite(points):
    return [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]


def _span(values):
    """The range of an axis."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = (high - low) / 3 or abs(high) / 3 or 1.0
    return low - margin, high + margin


def _ticks(low, high):
    """Round numbers within a range, about `_TICKS` of them."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [float(np.round(number * step, 12)) for number in range(first, last + 1)]


def _line(x1, y1, x2, y2, colour):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x, y, text, anchor, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'
