"""Camera conventions against the scene generator's own matrices, SciPy and cases worked out by hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from simone_tf.camera_conventions import CONVENTIONS, location_and_rotation
from simone_tf.errors import UserError
from simone_tf.scenes.camera import camera_matrices

from arc_cameras import as_convention


def random_cameras(count=50, seed=0):
    """Pose vectors [count, 7] in any direction."""
    rng = np.random.default_rng(seed)
    yaw, pitch = rng.uniform(-np.pi, np.pi, count), rng.uniform(-1.5, 1.5, count)
    angles = np.stack([np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)], -1)
    return np.concatenate([rng.normal(0, 3, (count, 3)), angles], -1)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions_agree_with_the_generator(convention):
    camera = random_cameras()
    location, rotation = location_and_rotation(as_convention(camera, convention), convention)
    np.testing.assert_allclose(location, camera[..., :3], atol=1e-6)
    np.testing.assert_allclose(rotation, camera_matrices(camera)[..., :3, :3], atol=1e-6)


@pytest.mark.parametrize("convention", ["quaternion", "matrix"])
def test_rotations_of_any_roll_are_scipys(convention):
    turns = Rotation.random(100, random_state=1)
    places = np.random.default_rng(2).normal(size=(100, 3))
    if convention == "quaternion":
        camera = np.concatenate([places, turns.as_quat()[:, [3, 0, 1, 2]]], -1)
    else:
        camera = np.tile(np.eye(4), (100, 1, 1))
        camera[:, :3, :3], camera[:, :3, 3] = turns.as_matrix(), places
        camera = camera.reshape(100, 16)
    location, rotation = location_and_rotation(camera, convention)
    np.testing.assert_allclose(location, places, atol=1e-12)
    np.testing.assert_allclose(rotation, turns.as_matrix(), atol=1e-12)


def test_quaternion_is_scalar_first_and_by_hand():
    # A quarter turn about z.
    camera = np.array([1.0, 2.0, 3.0, np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
    location, rotation = location_and_rotation(camera, "quaternion")
    np.testing.assert_allclose(rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_array_equal(location, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("camera", "convention", "message"),
    [
        (np.zeros((2, 7)), "euler", "'euler'.*yaw_pitch, quaternion, matrix"),
        (np.zeros((2, 5)), "quaternion", "5 numbers per frame.*has 7"),
        (np.zeros((2, 7)), "quaternion", "no unit quaternions"),
        (random_cameras() * [1, 1, 1, 2, 2, 1, 1], "yaw_pitch", "no sines and cosines"),
        (np.tile(np.eye(4).ravel() * 2, (2, 1)), "matrix", "last row"),
        # Column by column: the location is in the last row.
        (np.swapaxes(camera_matrices(random_cameras()), 1, 2).reshape(-1, 16), "matrix", "last row"),
        (np.diag([1.0, 1.0, -1.0, 1.0]).reshape(1, 16), "matrix", "left-handed: a determinant of -1"),
        (np.diag([0.0, 0.0, 0.0, 1.0]).reshape(1, 16), "matrix", "scale or shear"),
        (np.diag([1.0, np.nan, 1.0, 1.0]).reshape(1, 16), "matrix", "not finite"),
        (np.array([[np.nan, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]]), "quaternion", "not finite"),
        (np.array([[0.0, np.inf, 0.0, 0.0, 1.0, 0.0, 1.0]]), "yaw_pitch", "not finite"),
        (np.diag([2.0, 2.0, 2.0, 1.0]).reshape(1, 16), "matrix", "scale or shear"),
    ],
)
def test_numbers_that_do_not_follow_the_convention(camera, convention, message):
    with pytest.raises(UserError, match=message):
        location_and_rotation(camera, convention)
