"""Cameras all around a scene, made from those that it was seen by (paper, Figure 3: yaw linearly spaced over a turn).

Where the cameras look at one place, as those on an arc around a scene do, the new ones stand on a circle around it and
look at it. Where they do not, as those of one who walks through a room, they turn on the spot. The second axis is the
distance from the place, or the pitch.
"""

from typing import NamedTuple

import numpy as np

from simone_tf.cameras.poses import CameraPoses, camera_numbers, camera_poses, poses_at

DISTANCES = (0.7, 0.85, 1.0, 1.15, 1.3)
"""Of a circle around a place, factors of the distance of the cameras that were seen."""

PITCHES = (-20.0, -10.0, 0.0, 10.0, 20.0)
"""Of a turn on the spot, degrees that are added to the mean pitch."""

_LEAST_SPREAD = 1e-3  # of directions, below which the place they meet at is lost in their noise: about 2 degrees
_LOOKS_DOWN = np.radians(10.0)


class CameraSweep(NamedTuple):
    """New cameras, in the numbers of the data: `[D, Y, C]` float32.

    Attributes:
      cameras: the numbers.
      yaws: `[Y]` degrees in [-180, 180), 0 at the middle one of the cameras that were seen.
      second: `[D]`, what the other axis is at.
      second_name: "distance" (a factor) or "pitch" (degrees).
    """

    cameras: np.ndarray
    yaws: np.ndarray
    second: np.ndarray
    second_name: str


def camera_sweep(camera: np.ndarray, convention: str, num_yaws: int, num_second: int | None = None) -> CameraSweep:
    """Cameras all around the scene that `camera` saw.

    Args:
      camera: `[n, C]`, those that it was seen by.
      convention: what the numbers are, see `poses`; z is up.
      num_yaws: Y, views of a turn.
      num_second: 1 for the cameras' own distance or pitch alone; None for all of `DISTANCES` or `PITCHES`.

    Raises:
      UserError: the numbers do not follow the convention.
    """
    poses = camera_poses(camera, convention)
    yaws = np.linspace(-180.0, 180.0, num_yaws, endpoint=False)
    place = looked_at(poses)
    middle = len(poses.location) // 2
    if place is None:
        forward = _forward(poses)
        second = np.zeros(1) if num_second == 1 else np.array(PITCHES)
        pitch = np.arcsin(np.clip(forward[:, 2], -1.0, 1.0)).mean()
        yaw = np.arctan2(forward[middle, 1], forward[middle, 0])
        grid = np.meshgrid(pitch + np.radians(second), yaw + np.radians(yaws), indexing="ij")
        location = np.broadcast_to(poses.location[middle], (*grid[0].shape, 3))
        turned = poses_at(location, grid[1], np.clip(grid[0], -np.pi / 2, np.pi / 2))
        return CameraSweep(camera_numbers(turned, convention), yaws, second, "pitch")
    second = np.ones(1) if num_second == 1 else np.array(DISTANCES)
    away = poses.location - place
    radius, height = np.hypot(away[:, 0], away[:, 1]).mean(), away[:, 2].mean()
    azimuth = np.arctan2(away[middle, 1], away[middle, 0])
    factor, angle = np.meshgrid(second, azimuth + np.radians(yaws), indexing="ij")
    offset = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full_like(angle, height)], axis=-1)
    around = poses_at(
        place + factor[..., np.newaxis] * offset, angle + np.pi, np.broadcast_to(-np.arctan2(height, radius), angle.shape)
    )
    return CameraSweep(camera_numbers(around, convention), yaws, second, "distance")


def looked_at(poses: CameraPoses) -> np.ndarray | None:
    """The place `[3]` that cameras `[n]` look at; None where they look at no place in common.

    It is the point with the least sum of squared distances from the lines of view. Where these are as good as parallel,
    as of one camera alone, it is where they meet the floor, z = 0, on average, if they look down on it.
    """
    forward = _forward(poses)
    across = np.eye(3) - forward[:, :, np.newaxis] * forward[:, np.newaxis]  # [n, 3, 3], projections onto the pictures
    total = across.sum(0)
    if np.linalg.eigvalsh(total)[0] / len(forward) > _LEAST_SPREAD:
        place = np.linalg.solve(total, np.einsum("nij,nj->i", across, poses.location))
        depths = np.einsum("ni,ni->n", place - poses.location, forward)
        return place if (depths > 0.0).all() else None
    if (np.arcsin(-forward[:, 2]) < _LOOKS_DOWN).any() or (poses.location[:, 2] <= 0.0).any():
        return None
    steps = poses.location[:, 2] / -forward[:, 2]
    return (poses.location + steps[:, np.newaxis] * forward).mean(0)


def _forward(poses: CameraPoses) -> np.ndarray:
    """Unit viewing directions `[..., 3]`: a camera looks along its negative third axis."""
    return -poses.rotation[..., :, 2]
