"""Poses as a data set's numbers: there and back, and against the scene generator's own matrices."""

import numpy as np
import pytest

from simone_tf.camera_conventions import CONVENTIONS, location_and_rotation
from simone_tf.cameras.conversions import camera_numbers, convention_of, upright
from simone_tf.errors import UserError

from arc_cameras import as_convention, paths


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
