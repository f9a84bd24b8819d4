import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.scenes.floor_plan import FloorPlan, Footprint, length, place_at_wall

PLAN = FloorPlan(3.5, 0.5)
RECTANGLES = st.builds(
    Footprint,
    st.floats(-2, 2),
    st.floats(-2, 2),
    st.floats(0.1, 1.5),
    st.floats(0.1, 1.5),
    st.floats(-7, 7),
)


def grid_of(footprint, count=41):
    """Points all over a rectangle, its border included: `[count^2, 2]`."""
    along = np.linspace(-1, 1, count)
    x, y = (values.ravel() for values in np.meshgrid(along * footprint.half_x, along * footprint.half_y))
    cos, sin = math.cos(footprint.yaw), math.sin(footprint.yaw)
    return np.stack([footprint.x + cos * x - sin * y, footprint.y + sin * x + cos * y], axis=1)


def inside(footprint, points, slack=0.0):
    cos, sin = math.cos(footprint.yaw), math.sin(footprint.yaw)
    x, y = points[:, 0] - footprint.x, points[:, 1] - footprint.y
    within_x = np.abs(cos * x + sin * y) <= footprint.half_x + slack
    return within_x & (np.abs(-sin * x + cos * y) <= footprint.half_y + slack)


def in_room(points, margin=0.0):
    """Whether points `[P, 2]` are in the L and `margin` from its walls."""
    square = (np.abs(points) <= PLAN.half_width - margin).all(axis=1)
    from_corner = np.linalg.norm(np.maximum(PLAN.inner - points, 0), axis=1)
    return square & ~(points > PLAN.inner).all(axis=1) & (from_corner >= margin)


@given(one=RECTANGLES, other=RECTANGLES)
def test_overlap_is_that_of_points(one, other):
    # Points on a grid miss a sliver, so rectangles that barely touch may go either way.
    shared = inside(other, grid_of(one)).any() or inside(one, grid_of(other)).any()
    if shared:
        assert one.overlaps(other)
        assert other.overlaps(one)
    elif not inside(other, grid_of(one), 0.08).any():
        assert not one.overlaps(other)
        assert not other.overlaps(one)


@given(one=RECTANGLES, other=RECTANGLES)
def test_containment_is_that_of_points(one, other):
    if one.contains(other):
        assert inside(one, grid_of(other, 5), 1e-9).all()
    else:
        assert not inside(one, grid_of(other, 5), -1e-9).all()


@given(footprint=RECTANGLES, x=st.floats(-4, 4), y=st.floats(-4, 4))
def test_distance_is_that_of_the_nearest_point(footprint, x, y):
    point = np.array([x, y])
    nearest = np.linalg.norm(grid_of(footprint) - point, axis=1).min()
    if inside(footprint, point[None])[0]:
        assert footprint.distance(point) == 0
    else:
        assert nearest - 0.08 <= footprint.distance(point) <= nearest + 1e-9


@given(footprint=RECTANGLES, margin=st.floats(0, 0.5))
def test_the_room_holds_what_lies_in_it(footprint, margin):
    points = grid_of(footprint)
    if PLAN.holds(footprint, margin):
        assert in_room(points, margin - 1e-9).all()
    else:
        assert not in_room(grid_of(footprint.grown(margin + 0.12), 81)).all()


def test_clearance_is_the_distance_from_the_walls():
    rng = np.random.default_rng(0)
    outline = np.concatenate([np.linspace(start, end, 400) for start, end in PLAN.sides()])
    for point in rng.uniform(-3.6, 3.6, (300, 2)):
        if in_room(point[None])[0]:
            nearest = np.linalg.norm(outline - point, axis=1).min()
            assert PLAN.clearance(point) == pytest.approx(nearest, abs=0.01)
        else:
            assert PLAN.clearance(point) <= 0


def test_the_walls_close_an_l_with_the_room_on_their_right():
    sides = PLAN.sides()
    assert len(sides) == 6
    for (_, end), (start, _) in itertools.pairwise((*sides, sides[0])):
        assert end == start
    assert sum(length(side) for side in sides) == pytest.approx(8 * PLAN.half_width)
    for start, end in np.array(sides):
        way = (end - start) / np.linalg.norm(end - start)
        right = np.array([way[1], -way[0]])
        middle = (start + end) / 2
        assert in_room((middle + 0.01 * right)[None])[0]
        assert not in_room((middle - 0.01 * right)[None])[0]


def test_things_at_a_wall_turn_their_backs_to_it():
    for side in PLAN.sides():
        place, yaw = place_at_wall(side, 0.7, 0.25)
        start, end = np.array(side)
        way = (end - start) / np.linalg.norm(end - start)
        front = np.array([-math.sin(yaw), math.cos(yaw)])  # Where +y points after the turn.
        assert in_room((place + 0.1 * front)[None])[0]
        np.testing.assert_allclose(place - 0.25 * front, start + 0.7 * way, atol=1e-12)


def test_random_points_fill_the_l():
    rng = np.random.default_rng(1)
    points = np.array([PLAN.random_point(rng) for _ in range(2000)])
    assert in_room(points).all()
    counts, _, _ = np.histogram2d(*points.T, bins=7, range=[[-3.5, 3.5], [-3.5, 3.5]])
    assert (counts[4:, 4:] == 0).all()
    assert np.concatenate([counts[:4].ravel(), counts[4:, :4].ravel()]).min() > 20
