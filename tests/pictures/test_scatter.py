"""A plot whose marks are read back from the SVG."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.pictures.scatter import Series, _ticks, scatter

NAMESPACE = "{http://www.w3.org/2000/svg}"


def marks(svg, colour):
    circles = [circle for circle in ElementTree.fromstring(svg).iter(f"{NAMESPACE}circle")]
    return [(float(c.get("cx")), float(c.get("cy"))) for c in circles if c.get("fill") == colour]


def test_marks_lie_where_the_ticks_say():
    points = [(10.0, 2.0), (40.0, 3.0), (70.0, 2.5)]
    svg = scatter({"a model": Series(points)}, "KL", "nats")
    root = ElementTree.fromstring(svg)
    found = marks(svg, "#1b6ca8")[:3]  # the last is the legend's
    ticks = {}
    for text in root.iter(f"{NAMESPACE}text"):
        if re.fullmatch(r"-?[\d.]+", text.text):
            axis = "x" if text.get("text-anchor") == "middle" else "y"
            ticks.setdefault(axis, []).append((float(text.text), float(text.get(axis)) - (4 if axis == "y" else 0)))
    for axis in (0, 1):
        values, places = np.array(ticks["xy"[axis]]).T
        slope, offset = np.polyfit(values, places, 1)
        np.testing.assert_allclose([f[axis] for f in found], slope * np.array(points)[:, axis] + offset, atol=0.2)
    assert {text.text for text in root.iter(f"{NAMESPACE}text")} >= {"KL", "nats", "a model"}


def test_names_are_no_markup_and_what_is_not_finite_is_left_out():
    series = {"<b>&": Series([(1.0, float("nan")), (1.0, 2.0)], [[(0.0, float("inf")), (1.0, 1.0)]])}
    svg = scatter(series, "x < y", "y")
    assert len(marks(svg, "#1b6ca8")) == 2  # one point, and the legend's
    assert "<b>" not in svg
    (line,) = ElementTree.fromstring(svg).iter(f"{NAMESPACE}polyline")
    assert len(line.get("points").split()) == 1


@pytest.mark.parametrize("points", [[], [(0.0, 0.0)], [(5.0, -1.0), (5.0, -1.0)]])
def test_few_points_are_drawn_too(points):
    ElementTree.fromstring(scatter({"a": Series(points)}, "x", "y"))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low, width):
    ticks = _ticks(low, low + width)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-6 * width <= tick <= low + width * (1 + 1e-6) for tick in ticks)
