import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simone_tf.scenes.camera import camera_matrices, monotone_curve
from simone_tf.scenes.presets import PRESETS
from simone_tf.scenes.room import sample_camera


def paths(name, count=200):
    return [sample_camera(PRESETS[name], np.random.default_rng(seed)) for seed in range(count)]


def test_matrix_of_a_camera_at_the_origin_that_looks_along_x():
    camera = np.array([0, 0, 0, 0, 1, 0, 1], np.float32)
    # Right is -y, up is z, backward is -x.
    np.testing.assert_array_equal(camera_matrices(camera), [[0, 0, -1, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


def test_matrix_of_a_camera_that_looks_straight_down_along_y():
    camera = np.array([1, 2, 3, 1, 0, -1, 0], np.float32)
    np.testing.assert_array_equal(camera_matrices(camera), [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])


@given(yaw=st.floats(-7, 7), pitch=st.floats(-1.5, 1.5))
def test_matrices_are_rotations_whose_third_axis_is_backward(yaw, pitch):
    vector = [4, 5, 6, math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)]
    matrix = camera_matrices(np.array([[vector]], np.float32))[0, 0].astype(np.float64)
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(matrix[:3, :3]), 1, atol=1e-6)
    forward = [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)]
    np.testing.assert_allclose(-matrix[:3, 2], forward, atol=1e-6)
    np.testing.assert_array_equal(matrix[:3, 3], [4, 5, 6])
    assert abs(matrix[2, 0]) < 1e-6  # No roll: right is horizontal.


def test_quickstart_goes_round_the_center_and_looks_at_it():
    preset = PRESETS["quickstart"]
    starts, arcs = [], []
    for path in paths("quickstart"):
        target = np.array([0, 0, preset.look_height])
        distance = np.linalg.norm(path.position - target, axis=1)
        assert np.ptp(distance) < 1e-9
        assert preset.camera_distance[0] <= distance[0] <= preset.camera_distance[1]
        np.testing.assert_allclose(
            path.position + distance[:, None] * path.directions(), np.tile(target, (4, 1)), atol=1e-9
        )
        azimuth = np.unwrap(np.arctan2(path.position[:, 1], path.position[:, 0]))
        np.testing.assert_allclose(np.diff(azimuth), np.diff(azimuth)[0], atol=1e-9)
        starts.append(azimuth[0] % (2 * math.pi))
        arcs.append(math.degrees(azimuth[-1] - azimuth[0]))
    assert min(np.abs(arcs)) >= 20
    assert max(np.abs(arcs)) <= 45
    assert 0.35 < np.mean(np.array(arcs) > 0) < 0.65
    assert np.histogram(starts, bins=8, range=(0, 2 * math.pi))[0].min() > 8


def test_objects_room_stays_inside_the_room_and_moves_smoothly():
    preset = PRESETS["objects_room"]
    for path in paths("objects_room"):
        assert np.abs(path.position[:, :2]).max() < preset.room_half_width - 0.1
        assert path.position[:, 2].min() > 0.5
        assert path.position[:, 2].max() < preset.wall_height
        steps = np.linalg.norm(np.diff(path.position, axis=0), axis=1)
        assert steps.min() > 0
        assert steps.max() < 2 * steps.min()


@pytest.mark.parametrize("name", ["quickstart", "objects_room"])
def test_vectors_are_positions_and_unit_angles(name):
    for path in paths(name, 5):
        vectors = path.vectors()
        assert vectors.dtype == np.float32
        assert vectors.shape == (PRESETS[name].frames, 7)
        np.testing.assert_allclose(vectors[:, :3], path.position, rtol=1e-6)
        np.testing.assert_allclose(vectors[:, 3] ** 2 + vectors[:, 4] ** 2, 1, atol=1e-6)
        np.testing.assert_allclose(vectors[:, 5] ** 2 + vectors[:, 6] ** 2, 1, atol=1e-6)


@given(values=st.lists(st.floats(-100, 100), min_size=2, max_size=6), widths=st.lists(st.floats(0.5, 3), min_size=5))
def test_a_curve_meets_its_knots_and_never_overshoots(values, widths):
    values = np.array(values)
    knots = np.concatenate([[0], np.cumsum(widths)])[: len(values)]
    np.testing.assert_allclose(monotone_curve(knots, values, knots), values, atol=1e-9)
    for left, right, first, last in zip(knots, knots[1:], values, values[1:], strict=False):
        between = monotone_curve(knots, values, np.linspace(left, right, 21))
        assert (np.diff(between) * np.sign(last - first) >= -1e-9).all()
    start = monotone_curve(knots, values, np.array([0.0, 1e-4]))
    assert abs(start[1] - start[0]) <= 1e-4  # At rest.


def test_a_curve_agrees_with_scipy():
    interpolate = pytest.importorskip("scipy.interpolate")
    knots, values = np.arange(6.0), np.array([0.0, 1.0, 3.0, 2.5, 2.0, 7.0])
    moments = np.linspace(1, 4, 31)  # Where both take the harmonic mean of equally spaced knots.
    expected = interpolate.PchipInterpolator(knots, values)(moments)
    np.testing.assert_allclose(monotone_curve(knots, values, moments), expected)
