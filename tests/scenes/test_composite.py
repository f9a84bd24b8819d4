import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.scenes.composite import Composite, Top, part_bounds, shaded, solid

RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)
# An L-shaped thing: a plate with a post over its corner.
LOPSIDED = Composite(
    (solid("cube", (1.0, 0.6, 0.2), (0, 0, 0), RED), solid("cylinder", (0.2, 0.2, 0.9), (0.6, 0.2, 0.1), BLUE)),
    (Top((-0.2, 0.0, 0.2), (0.2, 0.3), headroom=0.5),),
)


def surface(part):
    """Points on a part, `[P, 3]`."""
    x, y, z = part.half_extents
    if part.shape in ("cube", "pillar"):
        points = np.array([[a, b, c] for a in (-x, x) for b in (-y, y) for c in (-z, z)])
    else:
        angle = np.linspace(0, 2 * math.pi, 721)
        flat = np.stack([x * np.cos(angle), y * np.sin(angle), 0 * angle], axis=1)
        points = np.concatenate([flat, [[0, 0, z], [0, 0, -z]]])
    cos, sin = math.cos(part.yaw), math.sin(part.yaw)
    return points @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T + part.offset


@given(
    shape=st.sampled_from(["cube", "sphere", "disc"]),
    size=st.tuples(*[st.floats(0.1, 3)] * 3),
    place=st.tuples(*[st.floats(-2, 2)] * 3),
    yaw=st.floats(-7, 7),
)
def test_bounds_of_a_part_are_those_of_its_points(shape, size, place, yaw):
    part = solid(shape, size, place, RED, yaw)
    low, high = part_bounds(part)
    np.testing.assert_allclose(low, surface(part).min(axis=0), atol=1e-3)
    np.testing.assert_allclose(high, surface(part).max(axis=0), atol=1e-3)
    assert low[2] == pytest.approx(place[2])


def test_bounds_of_a_composite():
    low, high = LOPSIDED.bounds()
    np.testing.assert_allclose(low, [-0.5, -0.3, 0])
    np.testing.assert_allclose(high, [0.7, 0.3, 1.0])


def test_other_dimensions():
    scaled = LOPSIDED.scaled(2.0, 0.5)
    low, high = scaled.bounds()
    np.testing.assert_allclose(low, [-1.0, -0.6, 0])
    np.testing.assert_allclose(high, [1.4, 0.6, 0.5])
    assert scaled.tops == (Top((-0.4, 0.0, 0.1), (0.4, 0.6), headroom=0.25),)


@pytest.mark.parametrize("yaw", [0.0, math.pi / 2, 1.0])
def test_a_placed_object_has_the_middle_of_its_box_as_origin(yaw):
    item, tops = LOPSIDED.placed(np.array([2.0, -1.0, 0.3]), yaw, 4, shape="thing", color="red")
    points = np.concatenate([surface(part) for part in item.parts])
    np.testing.assert_allclose(points.min(axis=0) + points.max(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(item.positions, np.tile([2.0, -1.0, 0.3 + 0.5], (4, 1)))
    assert item.quaternions.shape == (4, 4)
    assert 2 * math.atan2(item.quaternions[0, 3], item.quaternions[0, 0]) == pytest.approx(yaw)
    assert not item.moving
    assert (item.shape, item.color, item.size) == ("thing", "red", pytest.approx(0.6))
    # The top's middle is 0.3 left of the box's, and 0.3 below.
    expected = [2.0 - 0.3 * math.cos(yaw), -1.0 - 0.3 * math.sin(yaw), 0.3 + 0.2]
    np.testing.assert_allclose(tops[0].center, expected, atol=1e-9)
    assert tops[0].half_size == (0.2, 0.3)


def test_shaded_is_darker():
    assert shaded(RED, 0.5) == (0.45, 0.05, 0.05)
