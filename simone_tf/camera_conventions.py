"""What the camera's numbers of a data set mean, and the poses they tell, in NumPy.

A data set says where its camera is in its own numbers; a `convention` names them:

| convention   | C  | numbers                                                      | of                            |
|--------------|----|--------------------------------------------------------------|-------------------------------|
| `yaw_pitch`  | 7  | x, y, z, sin(yaw), cos(yaw), sin(pitch), cos(pitch); no roll | generated scenes, GQN         |
| `quaternion` | 7  | x, y, z, then w, x, y, z of the camera-to-world rotation     | MOVi                          |
| `matrix`     | 16 | the 4x4 camera-to-world matrix, row by row                   | CATER                         |

The world is right-handed with z up. Yaw turns anticlockwise from +x when seen from above, pitch is positive when
looking up. A rotation's columns are the camera's axes right, up and backward (OpenGL, Blender, Kubric).
"""

import numpy as np
from scipy.spatial.transform import Rotation

from simone_tf.errors import UserError

CONVENTIONS: dict[str, int] = {"yaw_pitch": 7, "quaternion": 7, "matrix": 16}
"""Name of each convention -> numbers per pose, C."""

_TOLERANCE = 1e-3


def location_and_rotation(camera: np.ndarray, convention: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a data set's pose vectors.

    Args:
      camera: `[..., C]` float.
      convention: see the module.

    Returns:
      Location `[..., 3]` and camera-to-world rotation `[..., 3, 3]`, float64.

    Raises:
      UserError: for an unknown convention, or numbers that are not finite or do not follow it, such as a matrix that
        scales or mirrors.
    """
    camera = np.asarray(camera, np.float64)
    if convention not in CONVENTIONS:
        raise UserError(f"The camera convention is {convention!r}: choose one of {', '.join(CONVENTIONS)}.")
    if camera.shape[-1] != CONVENTIONS[convention]:
        raise UserError(
            f"The camera has {camera.shape[-1]} numbers per frame but convention {convention!r} has "
            f"{CONVENTIONS[convention]}: name the convention of this dataset."
        )
    if not np.isfinite(camera).all():
        raise UserError("The camera has numbers that are not finite (NaN or infinite): give every frame its pose.")
    rotations = {"yaw_pitch": _from_yaw_pitch, "quaternion": _from_quaternion, "matrix": _from_matrix}
    if convention != "matrix":
        return camera[..., :3], rotations[convention](camera[..., 3:])
    matrix = camera.reshape(*camera.shape[:-1], 4, 4)
    return matrix[..., :3, 3], rotations[convention](matrix)


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
    _check(np.allclose(square, np.eye(3), atol=_TOLERANCE), "scale or shear and are no rotation", "matrix")
    mirrors = "are left-handed: a determinant of -1 in place of 1 (axes are right, up and backward)"
    _check(np.all(np.linalg.det(rotation) > 0), mirrors, "matrix")
    return rotation


def _check(holds: bool | np.bool_, fault: str, convention: str) -> None:
    if not holds:
        raise UserError(
            f"The camera numbers {fault}, unlike convention {convention!r}: give them in it, or name the convention "
            "of this dataset."
        )
