"""Camera poses of a dataset as location and rotation, in the world or as seen from one frame's camera.

A dataset says where its camera is in its own numbers; `convention` names them:

| convention   | C  | numbers                                                      | of                            |
|--------------|----|--------------------------------------------------------------|-------------------------------|
| `yaw_pitch`  | 7  | x, y, z, sin(yaw), cos(yaw), sin(pitch), cos(pitch); no roll | generated scenes, GQN         |
| `quaternion` | 7  | x, y, z, then w, x, y, z of the camera-to-world rotation     | MOVi                          |
| `matrix`     | 16 | the 4x4 camera-to-world matrix, row by row                   | CATER                         |

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

from simone_tf.errors import UserError

CONVENTIONS: dict[str, int] = {"yaw_pitch": 7, "quaternion": 7, "matrix": 16}
"""Name of each convention -> numbers per pose, C."""

_TOLERANCE = 1e-3


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
      convention: see the module.

    Returns:
      `CameraPoses` over the leading axes. For `yaw_pitch` the camera's axes are right, up and backward.

    Raises:
      UserError: for an unknown convention, or numbers that do not follow it.
    """
    camera = np.asarray(camera, np.float64)
    if convention not in CONVENTIONS:
        raise UserError(f"The camera convention is {convention!r}: choose one of {', '.join(CONVENTIONS)}.")
    if camera.shape[-1] != CONVENTIONS[convention]:
        raise UserError(
            f"The camera has {camera.shape[-1]} numbers per frame but convention {convention!r} has "
            f"{CONVENTIONS[convention]}: name the convention of this dataset."
        )
    rotations = {"yaw_pitch": _from_yaw_pitch, "quaternion": _from_quaternion, "matrix": _from_matrix}
    if convention != "matrix":
        return CameraPoses(camera[..., :3], rotations[convention](camera[..., 3:]))
    matrix = camera.reshape(*camera.shape[:-1], 4, 4)
    return CameraPoses(matrix[..., :3, 3], rotations[convention](matrix))


def _from_yaw_pitch(angles: np.ndarray) -> np.ndarray:
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = np.moveaxis(angles, -1, 0)
    _check(
        np.allclose(sin_yaw**2 + cos_yaw**2, 1.0, atol=_TOLERANCE)
        and np.allclose(sin_pitch**2 + cos_pitch**2, 1.0, atol=_TOLERANCE),
        "are no sines and cosines of two angles",
        "yaw_pitch",
    )
    right = np.stack([sin_yaw, -cos_yaw, np.zeros_like(sin_yaw)], axis=-1)
    backward = -np.stack([cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch], axis=-1)
    return np.stack([right, np.cross(backward, right), backward], axis=-1)


def _from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    unit = np.allclose(np.linalg.norm(quaternion, axis=-1), 1.0, atol=_TOLERANCE)
    _check(unit, "are no unit quaternions", "quaternion")
    scalar_last = np.roll(quaternion, -1, axis=-1).reshape(-1, 4)
    return Rotation.from_quat(scalar_last).as_matrix().reshape(*quaternion.shape[:-1], 3, 3)


def _from_matrix(matrix: np.ndarray) -> np.ndarray:
    last_row = np.allclose(matrix[..., 3, :], [0.0, 0.0, 0.0, 1.0], atol=_TOLERANCE)
    _check(last_row, "are no 4x4 poses with last row 0, 0, 0, 1", "matrix")
    rotation = matrix[..., :3, :3]
    square = rotation @ np.swapaxes(rotation, -1, -2)
    proper = np.allclose(square, np.eye(3), atol=_TOLERANCE) and np.all(np.linalg.det(rotation) > 0)
    _check(proper, "hold no rotation without scale or reflection", "matrix")
    return rotation


def _check(holds: bool | np.bool_, fault: str, convention: str) -> None:
    if not holds:
        raise UserError(
            f"The camera numbers {fault}, as convention {convention!r} has them: name the convention of this dataset."
        )
