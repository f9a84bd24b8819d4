"""Which camera is near which, against loops over pairs."""

import numpy as np
import pytest

from simone_tf.cameras.nearest import camera_distances, nearest_cameras
from simone_tf.errors import UserError
from simone_tf.scenes.camera import arc_path, camera_matrices


def arcs(seed, frames):
    rng = np.random.default_rng(seed)
    angle, away, up = rng.uniform(0, 6, frames), rng.uniform(3, 5, frames), rng.uniform(0.2, 0.8, frames)
    return arc_path(rng.normal(size=(frames, 3)), angle, away, up).vectors()


def test_the_nearest_is_that_of_brute_force():
    cameras, others = np.stack([arcs(0, 7), arcs(1, 7)]), np.stack([arcs(2, 5), arcs(3, 5)])
    found = nearest_cameras(cameras, others, "yaw_pitch")
    for clip in range(2):
        for number in range(7):
            one = camera_matrices(cameras[clip, number]).astype(np.float64)[:3]
            distances = []
            for other in others[clip]:
                matrix = camera_matrices(other).astype(np.float64)[:3]
                # The fourth column is the place; the other three are the rotation.
                distances.append(sum((one[i, j] - matrix[i, j]) ** 2 for i in range(3) for j in range(4)) ** 0.5)
            assert found[clip, number] == int(np.argmin(distances))
            np.testing.assert_allclose(
                camera_distances(cameras[clip], others[clip], "yaw_pitch")[number], distances, rtol=1e-5
            )


def test_a_pose_is_as_near_in_any_numbers():
    camera = arcs(4, 6)
    matrices = camera_matrices(camera).reshape(6, 16)
    expected = camera_distances(camera[:3], camera[3:], "yaw_pitch")
    np.testing.assert_allclose(camera_distances(matrices[:3], matrices[3:], "matrix"), expected, atol=1e-5)
    # A quaternion and its opposite are one rotation.
    one = np.array([[0.0, 0.0, 0.0, np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]])
    opposite = np.concatenate([one[:, :3], -one[:, 3:]], axis=1)
    np.testing.assert_allclose(camera_distances(one, opposite, "quaternion"), 0.0, atol=1e-7)


def test_numbers_of_unknown_meaning_are_compared_as_they_are():
    np.testing.assert_allclose(camera_distances([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]], None), [[5.0, 1.0]])
    assert nearest_cameras([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]], None) == [1]
    with pytest.raises(UserError, match="sines and cosines"):
        camera_distances(np.full((1, 7), 0.5), np.full((1, 7), 0.5), "yaw_pitch")
