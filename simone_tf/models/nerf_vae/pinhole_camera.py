"""The rays on which a camera sees its pixels."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from simone_tf.camera_conventions import CONVENTIONS, location_and_rotation
from simone_tf.checks import check_values, number, one_of
from simone_tf.models.parts.camera_pose import pose_of


class Rays(NamedTuple):
    """Half-lines in the world."""

    origins: tf.Tensor  # [..., 3] float32
    directions: tf.Tensor  # [..., 3] float32, of length 1


class PinholeCamera:
    """A camera without distortion, whose axis goes through the middle of the frame and whose pixels are square.

    Args:
        convention: what the data's camera numbers are, a key of `camera_conventions.CONVENTIONS`.
        field_of_view: angle between the upper and the lower edge of a frame, in degrees. A clip's record does not hold
            it; what a generated set was made with is in its `dataset.json`. (50: `quickstart_views`.)

    Raises:
        UserError: a value is of a wrong kind or out of range.
    """

    def __init__(self, convention: str = "yaw_pitch", field_of_view: float = 50.0) -> None:
        values = {"convention": convention, "field_of_view": field_of_view}
        checks = {"convention": one_of(*CONVENTIONS), "field_of_view": number(0, below=180, above=True)}
        check_values("PinholeCamera", values, checks)
        self.convention = convention
        self.field_of_view = field_of_view

    @property
    def given_size(self) -> int:
        """C, numbers of a camera in the data."""
        return CONVENTIONS[self.convention]

    def check(self, camera: np.ndarray) -> None:
        """Looks whether numbers `[..., C]` are cameras.

        Raises:
            UserError: in one sentence, such as for a matrix that scales or mirrors.
        """
        location_and_rotation(camera, self.convention)

    def rays(self, camera: tf.Tensor, places: tf.Tensor, frame_size: tuple[int, int]) -> Rays:
        """The rays through places of frames.

        Args:
            camera: `[..., P or 1, C]` float32, the camera of each place.
            places: `[..., P, 2]` float32, (row, column) in pixels; the centre of the first pixel is (0.5, 0.5).
            frame_size: (H, W) in pixels.

        Returns:
            `Rays` of `[..., P, 3]`, in the units of the camera's position.
        """
        height, width = frame_size
        tangent = math.tan(math.radians(self.field_of_view) / 2.0)
        up = tangent * (1.0 - places[..., 0] * (2.0 / height))
        right = tangent * (places[..., 1] * (2.0 / height) - width / height)
        in_camera = tf.stack([right, up, -tf.ones_like(up)], axis=-1)
        pose = pose_of(camera, self.convention)
        directions = tf.reduce_sum(pose.rotation * in_camera[..., None, :], axis=-1)
        directions *= tf.math.rsqrt(tf.reduce_sum(tf.square(directions), axis=-1, keepdims=True))
        return Rays(tf.broadcast_to(pose.position, tf.shape(directions)), directions)


def pixel_centres(frame_size: tuple[int, int]) -> np.ndarray:
    """`[H * W, 2]` float32: (row, column) of the centre of every pixel of a frame, row by row."""
    rows, columns = np.indices(frame_size)
    return (np.stack([rows, columns], axis=-1).reshape(-1, 2) + 0.5).astype(np.float32)
