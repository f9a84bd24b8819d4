"""Poses as the numbers of a data set, and whose numbers some are; the way back is `camera_conventions`."""

import contextlib

import numpy as np
from scipy.spatial.transform import Rotation

from simone_tf.camera_conventions import CONVENTIONS, location_and_rotation
from simone_tf.errors import UserError


def upright(yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """Camera-to-world rotations `[..., 3, 3]` of cameras without roll that look along `yaw` and `pitch [...]`.

    Radians; yaw turns anticlockwise from +x seen from above (z is up), pitch is positive when looking up.
    """
    yaw, pitch = np.broadcast_arrays(np.asarray(yaw, np.float64), np.asarray(pitch, np.float64))
    right = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros_like(yaw)], axis=-1)
    flat = np.cos(pitch)
    backward = -np.stack([flat * np.cos(yaw), flat * np.sin(yaw), np.sin(pitch)], axis=-1)
    return np.stack([right, np.cross(backward, right), backward], axis=-1)


def camera_numbers(location: np.ndarray, rotation: np.ndarray, convention: str) -> np.ndarray:
    """The inverse of `location_and_rotation`: `[..., C]` float32. In `yaw_pitch`, which knows no roll, roll is lost.

    Args:
      location: `[..., 3]`.
      rotation: `[..., 3, 3]`, camera to world.
      convention: a key of `camera_conventions.CONVENTIONS`.

    Raises:
      UserError: for an unknown convention.
    """
    location = np.asarray(location, np.float64)
    if convention == "yaw_pitch":
        right, forward = rotation[..., :, 0], -rotation[..., :, 2]
        flat = np.hypot(right[..., 0], right[..., 1])  # 1 but for a roll.
        angles = [right[..., 0] / flat, -right[..., 1] / flat, forward[..., 2]]
        angles.append(np.hypot(forward[..., 0], forward[..., 1]))
        return np.concatenate([location, np.stack(angles, axis=-1)], axis=-1).astype(np.float32)
    if convention == "quaternion":
        scalar_last = Rotation.from_matrix(rotation.reshape(-1, 3, 3)).as_quat().reshape(*rotation.shape[:-2], 4)
        return np.concatenate([location, np.roll(scalar_last, 1, axis=-1)], axis=-1).astype(np.float32)
    if convention == "matrix":
        matrix = np.zeros((*location.shape[:-1], 4, 4))
        matrix[..., :3, :3], matrix[..., :3, 3], matrix[..., 3, 3] = rotation, location, 1.0
        return matrix.reshape(*location.shape[:-1], 16).astype(np.float32)
    raise UserError(f"The camera convention is {convention!r}: choose one of {', '.join(CONVENTIONS)}.")


def convention_of(camera: np.ndarray) -> str | None:
    """The convention that numbers `[..., C]` follow, as far as they tell; None where they follow none.

    No numbers follow two: behind the location the squares of `yaw_pitch` add up to 2 and those of `quaternion` to 1.
    """
    for convention, size in CONVENTIONS.items():
        if np.shape(camera)[-1] == size:
            with contextlib.suppress(UserError):
                location_and_rotation(camera, convention)
                return convention
    return None
