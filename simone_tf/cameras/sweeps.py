"""Cameras all around a scene, made from those that it was seen by (paper, Figure 3: yaw linearly spaced over a turn).

Where the cameras look at one place, as those on an arc around a scene do, the new ones stand on a circle around it and
look at it. Where they do not, as those of one who walks through a room, they turn on the spot. The second axis is the
distance from the place, or the pitch.
"""

from typing import NamedTuple

import numpy as np

from simone_tf.camera_conventions import location_and_rotation
from simone_tf.cameras.conversions import camera_numbers, upright

DISTANCES = (0.7, 0.85, 1.0, 1.15, 1.3)
"""Of a circle around a place, factors of the distance of the cameras that were seen."""

PITCHES = (-20.0, -10.0, 0.0, 10.0, 20.0)
"""Of a turn on the spot, degrees that are added to the mean pitch."""

_LEAST_SPREAD = 1e-3  # of directions, below which the place they meet at is lost in their noise: about 2 degrees
_LEAST_DEPTH = 1e-4  # of the largest coordinate, nearer than which a place is the camera itself
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
      convention: what the numbers are, see `camera_conventions`; z is up.
      num_yaws: Y, views of a turn.
      num_second: 1 for the cameras' own distance or pitch alone; None for all of `DISTANCES` or `PITCHES`.

    Raises:
      UserError: the numbers do not follow the convention.
    """
    seen_from, rotation = location_and_rotation(camera, convention)
    forward = -rotation[..., :, 2]
    yaws = np.linspace(-180.0, 180.0, num_yaws, endpoint=False)
    place = looked_at(seen_from, forward)
    middle = len(seen_from) // 2
    if place is None:
        second = np.zeros(1) if num_second == 1 else np.array(PITCHES)
        pitch = np.arcsin(np.clip(forward[:, 2], -1.0, 1.0)).mean()
        yaw = np.arctan2(forward[middle, 1], forward[middle, 0])
        up, along = np.meshgrid(pitch + np.radians(second), yaw + np.radians(yaws), indexing="ij")
        turned = upright(along, np.clip(up, -np.pi / 2, np.pi / 2))
        location = np.broadcast_to(seen_from[middle], (*along.shape, 3))
        return CameraSweep(camera_numbers(location, turned, convention), yaws, second, "pitch")
    second = np.ones(1) if num_second == 1 else np.array(DISTANCES)
    away = seen_from - place
    radius, height = np.hypot(away[:, 0], away[:, 1]).mean(), away[:, 2].mean()
    azimuth = np.arctan2(away[middle, 1], away[middle, 0])
    factor, angle = np.meshgrid(second, azimuth + np.radians(yaws), indexing="ij")
    offset = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full_like(angle, height)], axis=-1)
    inward = upright(angle + np.pi, -np.arctan2(height, radius))
    cameras = camera_numbers(place + factor[..., np.newaxis] * offset, inward, convention)
    return CameraSweep(cameras, yaws, second, "distance")


def looked_at(location: np.ndarray, forward: np.ndarray) -> np.ndarray | None:
    """The place `[3]` that cameras look at; None where they look at no place in common.

    It is the point with the least sum of squared distances from the lines of view. Where these are as good as parallel,
    as of one camera alone, it is where they meet the floor, z = 0, on average, if they look down on it.

    Args:
      location: `[n, 3]`.
      forward: `[n, 3]` unit viewing directions.
    """
    across = np.eye(3) - forward[:, :, np.newaxis] * forward[:, np.newaxis]  # [n, 3, 3], projections onto the pictures
    total = across.sum(0)
    if np.linalg.eigvalsh(total)[0] / len(forward) > _LEAST_SPREAD:
        place = np.linalg.solve(total, np.einsum("nij,nj->i", across, location))
        depths = np.einsum("ni,ni->n", place - location, forward)
        # Of cameras on one spot the lines meet there, and rounding decides on which side.
        return place if (depths > _LEAST_DEPTH * max(np.abs(location).max(), 1.0)).all() else None
    if (np.arcsin(-forward[:, 2]) < _LOOKS_DOWN).any() or (location[:, 2] <= 0.0).any():
        return None
    steps = location[:, 2] / -forward[:, 2]
    return (location + steps[:, np.newaxis] * forward).mean(0)
