"""Camera poses of a dataset as location and rotation, in the world or as seen from one frame's camera.

What the numbers of a data set mean is told in `camera_conventions`.

**Which pose can be known.** A video tells the pose in the world only where something in the world says where north is:
a fixed start (CATER), a landmark, a light that always comes from one side. In a scene with a random start and nothing
of the kind, such as the generated quickstart scenes (endless floor, light from anywhere), turning the whole world about
the vertical changes no pixel, so that only height and pitch can be predicted and R^2 of the other components is near 0
for any model; four equal walls leave four directions to choose from. There the pose relative to the camera of one
frame, such as the first, is what a model can know.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from simone_tf.camera_conventions import location_and_rotation


class CameraPoses(NamedTuple):
    """Location `[..., 3]` and camera-to-world rotation matrix `[..., 3, 3]`, float64, of any number of cameras."""

    location: np.ndarray
    rotation: np.ndarray

    def rotation_vector(self) -> np.ndarray:
        """The Rodrigues vector `[..., 3]`: axis of the rotation times its angle in [0, pi] radians.

        It jumps from one end to the other where the angle passes pi.
        """
        flat = Rotation.from_matrix(self.rotation.reshape(-1, 3, 3)).as_rotvec()
        return flat.reshape(*self.rotation.shape[:-2], 3)

    def relative_to(self, frame: int) -> "CameraPoses":
        """Poses `[N, T]` of clips in the coordinates of each clip's own camera in `frame`; there, pose 0."""
        to_camera = np.swapaxes(self.rotation[:, frame], -1, -2)[:, np.newaxis]  # [N, 1, 3, 3]
        return CameraPoses(self.seen_from(self.location[:, :, np.newaxis], frame)[:, :, 0], to_camera @ self.rotation)

    def seen_from(self, positions: np.ndarray, frame: int) -> np.ndarray:
        """World positions `[N, T, M, 3]` in the coordinates of each clip's own camera in `frame`."""
        offset = positions - self.location[:, np.newaxis, frame, np.newaxis]
        return np.einsum("nij,ntmi->ntmj", self.rotation[:, frame], offset)


def camera_poses(camera: np.ndarray, convention: str) -> CameraPoses:
    """Reads a dataset's pose vectors.

    Args:
      camera: `[..., C]` float, finite.
      convention: a key of `camera_conventions.CONVENTIONS`.

    Returns:
      `CameraPoses` over the leading axes. For `yaw_pitch` the camera's axes are right, up and backward.

    Raises:
      UserError: for an unknown convention, or numbers that do not follow it.
    """
    return CameraPoses(*location_and_rotation(camera, convention))
