"""Poses as a data set's numbers: there and back, and against the scene generator's own matrices."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from simone_tf.camera_conventions import CONVENTIONS, location_and_rotation
from simone_tf.cameras.conversions import camera_numbers, convention_of, upright
from simone_tf.errors import UserError
from simone_tf.scenes.camera import arc_path, camera_matrices


def paths(num_clips=3, frames=4):
    """Pose vectors [N, T, 7] of cameras on arcs."""
    rng = np.random.default_rng(0)
    return np.stack(
        [
            arc_path(
                rng.normal(size=(frames, 3)),
                rng.uniform(0, 6) + np.linspace(0, 1, frames),
                rng.uniform(3, 5, frames),
                rng.uniform(0.2, 0.8, frames),
            ).vectors()
            for _ in range(num_clips)
        ]
    )


def as_convention(camera, convention):
    """The same poses in another dataset's numbers."""
    matrices = camera_matrices(camera)
    if convention == "matrix":
        return matrices.reshape(*camera.shape[:-1], 16)
    if convention == "quaternion":
        scalar_last = Rotation.from_matrix(matrices[..., :3, :3].reshape(-1, 3, 3)).as_quat()
        quaternions = scalar_last[:, [3, 0, 1, 2]].reshape(*camera.shape[:-1], 4)
        return np.concatenate([camera[..., :3], quaternions], axis=-1)
    return camera


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_numbers_are_read_and_written_alike(convention):
    camera = as_convention(paths(), convention)
    written = camera_numbers(*location_and_rotation(camera, convention), convention)
    assert written.dtype == np.float32
    if convention == "quaternion":  # A quaternion and its opposite are one rotation.
        written[..., 3:] *= np.sign(np.sum(written[..., 3:] * camera[..., 3:], axis=-1, keepdims=True))
    np.testing.assert_allclose(written, camera, atol=1e-5)
    assert convention_of(camera) == convention


def test_a_camera_that_looks_straight_down_keeps_its_yaw():
    camera = np.array([0.0, 0.0, 4.0, np.sin(0.7), np.cos(0.7), -1.0, 0.0], np.float32)
    np.testing.assert_allclose(
        camera_numbers(*location_and_rotation(camera, "yaw_pitch"), "yaw_pitch"), camera, atol=1e-6
    )


def test_poses_are_upright_and_look_where_they_are_told():
    rotation = upright(np.array(np.pi / 2), np.array(0.0))
    # Along +y: right is +x, up is +z, backward -y.
    np.testing.assert_allclose(rotation, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)


def test_numbers_of_no_convention_have_none():
    assert convention_of(np.zeros((3, 7))) is None
    assert convention_of(np.zeros((3, 16))) is None
    assert convention_of(np.zeros((3, 5))) is None
    with pytest.raises(UserError, match="choose one of"):
        camera_numbers(*location_and_rotation(paths(), "yaw_pitch"), "euler")
