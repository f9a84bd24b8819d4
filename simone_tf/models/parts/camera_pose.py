"""Where a camera is and how it is turned, from the numbers that a data set has; TensorFlow operations."""

from typing import NamedTuple

import tensorflow as tf


class Pose(NamedTuple):
    """Position `[..., 3]` and camera-to-world rotation `[..., 3, 3]`, its columns right, up and backward."""

    position: tf.Tensor
    rotation: tf.Tensor

    @property
    def sin_pitch(self) -> tf.Tensor:
        """`[..., 1]`."""
        return -self.rotation[..., 2:, 2]


def pose_of(camera: tf.Tensor, convention: str) -> Pose:
    """Reads a data set's cameras.

    Args:
        camera: `[..., C]` float32.
        convention: what the numbers are, a key of `camera_conventions.CONVENTIONS`.
    """
    if convention == "yaw_pitch":
        return Pose(camera[..., :3], _upright(camera[..., 3:]))
    if convention == "quaternion":
        return Pose(camera[..., :3], _of_quaternion(camera[..., 3:]))
    matrix = tf.reshape(camera, tf.concat([tf.shape(camera)[:-1], [4, 4]], 0))
    matrix = tf.ensure_shape(matrix, [*camera.shape[:-1], 4, 4])
    return Pose(matrix[..., :3, 3], matrix[..., :3, :3])


def _upright(angles: tf.Tensor) -> tf.Tensor:
    """Rotation `[..., 3, 3]` of sin(yaw), cos(yaw), sin(pitch), cos(pitch)."""
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = tf.unstack(angles, axis=-1)
    rows = (
        (sin_yaw, -sin_pitch * cos_yaw, -cos_pitch * cos_yaw),
        (-cos_yaw, -sin_pitch * sin_yaw, -cos_pitch * sin_yaw),
        (tf.zeros_like(sin_yaw), cos_pitch, -sin_pitch),
    )
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)


def _of_quaternion(quaternion: tf.Tensor) -> tf.Tensor:
    """Rotation `[..., 3, 3]` of w, x, y, z, of whatever length."""
    square = tf.maximum(tf.reduce_sum(quaternion * quaternion, axis=-1), 1e-12)
    w, x, y, z = tf.unstack(quaternion, axis=-1)
    scale = 2.0 / square
    rows = (
        (1.0 - scale * (y * y + z * z), scale * (x * y - w * z), scale * (x * z + w * y)),
        (scale * (x * y + w * z), 1.0 - scale * (x * x + z * z), scale * (y * z - w * x)),
        (scale * (x * z - w * y), scale * (y * z + w * x), 1.0 - scale * (x * x + y * y)),
    )
    return tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)
