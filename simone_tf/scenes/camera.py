"""Camera paths and poses of generated scenes.

World frame: right-handed, z up, floor at z = 0. A pose is the vector of GQN,
`(x, y, z, sin(yaw), cos(yaw), sin(pitch), cos(pitch))`: the position, then the viewing direction
`(cos(pitch) cos(yaw), cos(pitch) sin(yaw), sin(pitch))`. Yaw turns anticlockwise from +x when seen from above; pitch
is positive when looking up. The camera never rolls. A world point at camera coordinates (right, up, forward) is seen at

    column = W / 2 + f * right / forward,   row = H / 2 - f * up / forward,   f = H / 2 / tan(field_of_view / 2)

where the centre of pixel (row i, column j) lies at (i + 0.5, j + 0.5).
"""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class CameraPath:
    """Per-frame camera positions `[T, 3]`, yaw `[T]` and pitch `[T]` in radians, float64."""

    position: np.ndarray
    yaw: np.ndarray
    pitch: np.ndarray

    def directions(self) -> np.ndarray:
        """Returns the unit viewing directions, `[T, 3] float64`."""
        flat = np.cos(self.pitch)
        return np.stack([flat * np.cos(self.yaw), flat * np.sin(self.yaw), np.sin(self.pitch)], axis=1)

    def vectors(self) -> np.ndarray:
        """Returns the poses, `[T, 7] float32`."""
        angles = (np.sin(self.yaw), np.cos(self.yaw), np.sin(self.pitch), np.cos(self.pitch))
        return np.concatenate([self.position, np.stack(angles, axis=1)], axis=1).astype(np.float32)


def camera_matrices(camera: np.ndarray) -> np.ndarray:
    """Turns poses `[..., 7]` into camera-to-world matrices `[..., 4, 4] float32`.

    The columns are the camera's right, up and backward axes and its position (the convention of OpenGL and Blender).
    """
    sin_yaw, cos_yaw, sin_pitch, cos_pitch = np.moveaxis(np.asarray(camera, np.float64)[..., 3:], -1, 0)
    zero = np.zeros_like(sin_yaw)
    matrices = np.zeros((*camera.shape[:-1], 4, 4))
    matrices[..., :3, 0] = np.stack([sin_yaw, -cos_yaw, zero], axis=-1)
    matrices[..., :3, 1] = np.stack([-sin_pitch * cos_yaw, -sin_pitch * sin_yaw, cos_pitch], axis=-1)
    matrices[..., :3, 2] = -np.stack([cos_pitch * cos_yaw, cos_pitch * sin_yaw, sin_pitch], axis=-1)
    matrices[..., :3, 3] = camera[..., :3]
    matrices[..., 3, 3] = 1
    return matrices.astype(np.float32)


def arc_path(target: np.ndarray, azimuth: np.ndarray, distance: np.ndarray, elevation: np.ndarray) -> CameraPath:
    """A camera that looks at `target` `[T, 3]` from a distance `[T]`, azimuth and elevation `[T]` in radians."""
    flat = np.cos(elevation)
    back = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=1)
    return CameraPath(position=target + distance[:, None] * back, yaw=azimuth + math.pi, pitch=-elevation)


def monotone_curve(knots: np.ndarray, values: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """A smooth curve through `values` `[K]` at `knots` `[K]`, at rest at both ends, that never overshoots.

    Returned at `moments` `[T]`. A cubic Hermite spline with the harmonic mean of the neighbouring slopes at each knot,
    0 at a turning point (Fritsch and Butland 1984).
    """
    slopes = np.diff(values) / np.diff(knots)
    before, after = slopes[:-1], slopes[1:]
    same_way = before * after > 0
    tangents = np.zeros(len(knots))
    tangents[1:-1][same_way] = (2 * before * after)[same_way] / (before + after)[same_way]
    i = np.clip(np.searchsorted(knots, moments, side="right") - 1, 0, len(knots) - 2)
    width = knots[i + 1] - knots[i]
    u = (moments - knots[i]) / width
    return (
        (1 + 2 * u) * (1 - u) ** 2 * values[i]
        + u * (1 - u) ** 2 * width * tangents[i]
        + u**2 * (3 - 2 * u) * values[i + 1]
        - u**2 * (1 - u) * width * tangents[i + 1]
    )
