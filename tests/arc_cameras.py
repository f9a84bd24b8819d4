"""Cameras on arcs, and the same poses in the numbers of other data sets."""

import numpy as np
from scipy.spatial.transform import Rotation

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
