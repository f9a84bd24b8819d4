"""Poses read in a graph beside those read by NumPy, in every convention of the data sets."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.transform import Rotation

from simone_tf.camera_conventions import CONVENTIONS, location_and_rotation
from simone_tf.cameras.conversions import camera_numbers, upright
from simone_tf.models.parts.camera_pose import pose_of


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_pose_is_that_of_the_convention(convention):
    rng = np.random.default_rng(0)
    places = rng.normal(0, 3, (5, 2, 3))
    turns = Rotation.random(10, random_state=0).as_matrix().reshape(5, 2, 3, 3)
    if convention == "yaw_pitch":
        turns = upright(rng.uniform(-3, 3, (5, 2)), rng.uniform(-1.4, 1.4, (5, 2)))
    numbers = camera_numbers(places, turns, convention)
    pose = tf.function(lambda camera: pose_of(camera, convention))(numbers)
    place, rotation = location_and_rotation(numbers, convention)
    np.testing.assert_allclose(pose.position, place, atol=1e-5)
    np.testing.assert_allclose(pose.rotation, rotation, atol=1e-5)
    np.testing.assert_allclose(pose.sin_pitch[..., 0], -rotation[..., 2, 2], atol=1e-5)
