"""Camera poses of a dataset as location and rotation, in the world or as seen from a camera of the clip's own.

What the numbers of a data set mean is told in `camera_conventions`.

**Which pose can be known.** A video tells the pose in the world only where something in the world says where north is:
a fixed start (CATER), a landmark, a light that always comes from one side. In a scene with a random start and nothing
of the kind, such as the generated quickstart scenes (endless floor, light from anywhere), turning the whole world about
the vertical changes no pixel, so that only height and pitch can be predicted and R^2 of the other components is near 0
for any model; four equal walls leave four directions to choose from. There the pose relative to a camera of the clip is
what a model can know: that of one frame, such as the first, or the one in the middle of all, from which the others are
the least away and so the cheapest to tell.
"""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.spatial.transform import Rotation

from simone_tf.camera_conventions import location_and_rotation

Reference: TypeAlias = int | Literal["middle"]
"""A camera of the clip's own: that of a frame, or the mean of all, see `CameraPoses.reference`."""

MIDDLE: Literal["middle"] = "middle"


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

    def reference(self, reference: Reference) -> "CameraPoses":
        """Of poses `[N, T]` of clips the camera `[N]` that a reference names.

        `MIDDLE` is the mean of the locations and of the rotations, the latter the rotation that is nearest to all in
        the squares of its matrix's entries.
        """
        if reference != MIDDLE:
            return CameraPoses(self.location[:, reference], self.rotation[:, reference])
        # Of the mean matrix the nearest rotation; the sign keeps it from being a reflection.
        left, _, right = np.linalg.svd(self.rotation.mean(axis=1))
        left[..., -1] *= np.linalg.det(left @ right)[..., np.newaxis]
        return CameraPoses(self.location.mean(axis=1), left @ right)

    def relative_to(self, reference: Reference) -> "CameraPoses":
        """Poses `[N, T]` of clips in the coordinates of a camera of each clip's own; that camera's is pose 0."""
        to_camera = np.swapaxes(self.reference(reference).rotation, -1, -2)[:, np.newaxis]  # [N, 1, 3, 3]
        location = self.seen_from(self.location[:, :, np.newaxis], reference)[:, :, 0]
        return CameraPoses(location, to_camera @ self.rotation)

    def seen_from(self, positions: np.ndarray, reference: Reference) -> np.ndarray:
        """World positions `[N, T, M, 3]` in the coordinates of a camera of each clip's own."""
        camera = self.reference(reference)
        offset = positions - camera.location[:, np.newaxis, np.newaxis]
        return np.einsum("nij,ntmi->ntmj", camera.rotation, offset)


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
