"""A camera as the numbers that a network takes, from the numbers that a data set has; TensorFlow operations."""

import numpy as np
import tensorflow as tf

from simone_tf.camera_conventions import CONVENTIONS, location_and_rotation
from simone_tf.errors import UserError
from simone_tf.models.parts.camera_pose import Pose, pose_of

FORMS: dict[str, int] = {"yaw_pitch": 7, "rotation": 12}
"""Name of what a network may be given -> its numbers."""

REFERENCE_SIZE = 4
"""Numbers of a reference: x, y, sin(yaw), cos(yaw)."""


class CameraVector:
    """Turns a data set's camera numbers into the vector that stands for a viewpoint.

    `yaw_pitch` is the vector of Generative Query Networks, x, y, z, sin(yaw), cos(yaw), sin(pitch), cos(pitch), for
    cameras that stand upright; the roll of others is lost, and one that looks straight down or up has no yaw.
    `rotation` is the position and the nine numbers of the camera-to-world rotation, row by row, for any camera.

    A world of which nothing tells where north is looks the same however it is turned about the vertical. Its cameras
    mean something only beside one another: `relative_to` moves the world along the floor and turns it about the
    vertical so that one of the context frames stands at x = y = 0 and looks along +x. Heights and pitches stay.

    Args:
        convention: what the data set's numbers are, a key of `camera_conventions.CONVENTIONS`: 'yaw_pitch' (GQN,
            generated scenes), 'quaternion' (MOVi) or 'matrix' (CATER).
        form: 'yaw_pitch' (7 numbers) or 'rotation' (12).
        relative_to: number of that context frame, 0 for the first; None for positions in the world.
        position_scale: positions are divided by it; about the size of a scene, in its units, brings them near 1.

    Raises:
        UserError: for an unknown convention or form, or a scale that is not positive.
    """

    def __init__(
        self,
        convention: str = "yaw_pitch",
        form: str = "yaw_pitch",
        relative_to: int | None = None,
        position_scale: float = 1.0,
    ) -> None:
        for argument, value, known in (("convention", convention, CONVENTIONS), ("form", form, FORMS)):
            if value not in known:
                raise UserError(f"CameraVector.{argument} is {value!r}: choose one of {', '.join(known)}.")
        if not position_scale > 0:
            raise UserError(f"CameraVector.position_scale is {position_scale}: give a number above 0.")
        self.convention = convention
        self.form = form
        self.relative_to = relative_to
        self.position_scale = position_scale

    @property
    def given_size(self) -> int:
        """C, numbers of a camera in the data."""
        return CONVENTIONS[self.convention]

    @property
    def size(self) -> int:
        """Numbers of the vector."""
        return FORMS[self.form]

    def check(self, camera: np.ndarray) -> None:
        """Looks whether numbers `[..., C]` are cameras.

        Raises:
            UserError: in one sentence, such as for a matrix that scales or mirrors.
        """
        location_and_rotation(camera, self.convention)

    def reference(self, camera: tf.Tensor) -> tf.Tensor:
        """Where the chosen frame of a context stands and looks: `[B, 4]` of `[B, N, C]`, see `REFERENCE_SIZE`.

        Raises:
            UserError: the context has no such frame.
        """
        index = self.relative_to or 0
        if camera.shape[1] is not None and not 0 <= index < camera.shape[1]:
            raise UserError(
                f"CameraVector.relative_to is {index}, but there are {camera.shape[1]} context frames: choose one of "
                "them."
            )
        pose = pose_of(camera[:, index], self.convention)
        heading = _heading(pose)
        return tf.concat([pose.position[..., :2], heading], axis=-1)

    def __call__(self, camera: tf.Tensor, reference: tf.Tensor | None = None) -> tf.Tensor:
        """The vectors of cameras.

        Args:
            camera: `[B, T, C]` float32, in the data's convention.
            reference: `[B, 4]` that `reference` gave of the context, None for positions in the world.

        Returns:
            `[B, T, size]` float32.
        """
        pose = pose_of(camera, self.convention)
        if reference is not None:
            pose = _seen_from(pose, reference[:, None])
        position = pose.position / self.position_scale
        if self.form == "rotation":
            return tf.concat([position, _flat(pose.rotation)], axis=-1)
        up = pose.sin_pitch
        return tf.concat([position, _heading(pose), up, tf.sqrt(tf.maximum(1.0 - up * up, 0.0))], axis=-1)


def _heading(pose: Pose) -> tf.Tensor:
    """Sine and cosine of the yaw of the viewing direction, `[..., 2]`."""
    x, y = -pose.rotation[..., 0, 2], -pose.rotation[..., 1, 2]
    along = tf.maximum(tf.sqrt(x * x + y * y), 1e-6)
    return tf.stack([y / along, x / along], axis=-1)


def _seen_from(pose: Pose, reference: tf.Tensor) -> Pose:
    """The pose in a world that is moved along the floor and turned about the vertical."""
    place, sine, cosine = reference[..., :2], reference[..., 2], reference[..., 3]
    zero, one = tf.zeros_like(sine), tf.ones_like(sine)
    rows = ((cosine, sine, zero), (-sine, cosine, zero), (zero, zero, one))
    turn = tf.stack([tf.stack(row, axis=-1) for row in rows], axis=-2)  # [..., 3, 3]
    moved = tf.concat([pose.position[..., :2] - place, pose.position[..., 2:]], axis=-1)
    return Pose(tf.reduce_sum(turn * moved[..., None, :], axis=-1), tf.matmul(turn, pose.rotation))


def _flat(rotation: tf.Tensor) -> tf.Tensor:
    """`[..., 9]` of `[..., 3, 3]`, row by row."""
    return tf.concat(tf.unstack(rotation, axis=-2), axis=-1)
