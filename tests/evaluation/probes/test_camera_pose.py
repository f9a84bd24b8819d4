"""Camera poses against the scene generator's own matrices, SciPy and cases worked out by hand."""

import numpy as np
from scipy.spatial.transform import Rotation

from simone_tf.evaluation.probes.camera_pose import CameraPoses, camera_poses
from simone_tf.scenes.camera import camera_matrices

from arc_cameras import paths


def test_rotation_vectors_are_scipys():
    camera = paths()
    poses = camera_poses(camera, "yaw_pitch")
    np.testing.assert_allclose(poses.location, camera[..., :3], atol=1e-6)
    matrices = camera_matrices(camera)
    np.testing.assert_allclose(poses.rotation, matrices[..., :3, :3], atol=1e-6)
    vectors = Rotation.from_matrix(matrices[..., :3, :3].reshape(-1, 3, 3)).as_rotvec().reshape(3, 4, 3)
    np.testing.assert_allclose(poses.rotation_vector(), vectors, atol=1e-5)


def test_relative_poses_are_those_of_the_inverse_matrix():
    camera = paths()
    matrices = camera_matrices(camera).astype(np.float64)
    relative = camera_poses(camera, "yaw_pitch").relative_to(2)
    expected = np.linalg.inv(matrices[:, 2:3]) @ matrices
    np.testing.assert_allclose(relative.location, expected[..., :3, 3], atol=1e-5)
    np.testing.assert_allclose(relative.rotation, expected[..., :3, :3], atol=1e-5)
    np.testing.assert_allclose(relative.location[:, 2], 0, atol=1e-9)
    np.testing.assert_allclose(relative.rotation_vector()[:, 2], 0, atol=1e-6)


def test_positions_seen_from_a_frame():
    # The camera at (0, -5, 1) looks along +y: right is +x, up is +z, backward is -y.
    camera = np.tile([0.0, -5.0, 1.0, 1.0, 0.0, 0.0, 1.0], (1, 2, 1))
    positions = np.array([[[[2.0, 1.0, 4.0]], [[0.0, -5.0, 0.0]]]])  # one object at two times
    seen = camera_poses(camera, "yaw_pitch").seen_from(positions, 0)
    np.testing.assert_allclose(seen, [[[[2.0, 3.0, -6.0]], [[0.0, -1.0, 0.0]]]], atol=1e-12)


def test_relative_poses_do_not_know_where_the_world_is():
    camera = paths().astype(np.float64)
    turn, shift = Rotation.from_euler("z", 1.2).as_matrix(), np.array([3.0, -1.0, 0.5])
    turned = camera.copy()
    turned[..., :3] = camera[..., :3] @ turn.T + shift
    yaw = np.arctan2(camera[..., 3], camera[..., 4]) + 1.2
    turned[..., 3], turned[..., 4] = np.sin(yaw), np.cos(yaw)
    one, other = (camera_poses(numbers, "yaw_pitch") for numbers in (camera, turned))
    np.testing.assert_allclose(one.relative_to(0).location, other.relative_to(0).location, atol=1e-6)
    np.testing.assert_allclose(one.relative_to(0).rotation, other.relative_to(0).rotation, atol=1e-6)
    assert not np.allclose(one.location, other.location)
    positions = np.random.default_rng(0).normal(size=(3, 4, 2, 3))
    moved = positions @ turn.T + shift
    np.testing.assert_allclose(one.seen_from(positions, 0), other.seen_from(moved, 0), atol=1e-5)


def test_the_middle_camera_is_scipys_mean_and_moves_with_the_world():
    camera = paths().astype(np.float64)
    poses = camera_poses(camera, "yaw_pitch")
    middle = poses.reference("middle")
    np.testing.assert_allclose(middle.location, camera[..., :3].mean(axis=1), atol=1e-9)
    for clip in range(len(camera)):
        expected = Rotation.from_matrix(poses.rotation[clip]).mean().as_matrix()
        np.testing.assert_allclose(middle.rotation[clip], expected, atol=1e-9)
    relative = poses.relative_to("middle")
    np.testing.assert_allclose(relative.location.mean(axis=1), 0, atol=1e-9)
    again = relative.reference("middle")  # seen from itself it stands at the origin
    np.testing.assert_allclose(again.rotation, np.broadcast_to(np.eye(3), again.rotation.shape), atol=1e-9)


def test_the_middle_of_rotations_far_apart_is_a_rotation():
    """The mean of their matrices is nearer to a reflection: here almost -1/3 of the identity."""
    turns = Rotation.from_rotvec(np.radians([170.0, 175.0, 178.0])[:, np.newaxis] * np.eye(3)).as_matrix()
    assert np.linalg.det(turns.mean(axis=0)) < 0
    rotation = CameraPoses(np.zeros((1, 3, 3)), turns[np.newaxis]).reference("middle").rotation
    np.testing.assert_allclose(rotation @ np.swapaxes(rotation, 1, 2), np.eye(3)[np.newaxis], atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0, atol=1e-9)
