"""Long clips of rooms: the camera circles on and on, and now and then glances aside, so that an object leaves the view.

A glance shifts the camera sideways with its view, out and back, far enough for the object that stands farthest to a
side to leave the picture for a few frames. Every part of such a clip shows what a short clip of the same room shows.
"""

import dataclasses
import itertools
import math
from typing import ClassVar

import numpy as np

from simone_tf.scenes import room
from simone_tf.scenes.camera import CameraPath
from simone_tf.scenes.hue import turn_hues
from simone_tf.scenes.preset import Range
from simone_tf.scenes.room import RoomPreset
from simone_tf.scenes.scene import Scene


@dataclasses.dataclass(frozen=True)
class GlancingPreset(RoomPreset):
    """Settings of rooms seen by a camera that glances aside; the field `camera_arc` counts per frame, not per clip."""

    family: ClassVar[str] = "glancing"

    # Frames from the end of one glance to the start of the next, per glance.
    glance_gap: Range
    # Frames in which a glance goes out, and again in which it comes back, per glance.
    glance_turn: Range
    # Frames for which a glance stays out, per glance.
    glance_stay: Range
    # How far beyond the border of the picture the object leaves, in world units, per glance.
    glance_margin: Range
    # Rejection rule: a clip is drawn again when an object is out of view for more frames in a row than this, or in the
    # first or the last frame, when a frame shows no object at all, or when no object ever leaves although the clip is
    # long enough for the longest glance.
    max_absence: int
    # How far the hues of the picture turn from frame to frame, in degrees; see `hue`.
    hue_drift: float

    def sample(self, num_objects: int, rng: np.random.Generator) -> tuple[Scene, CameraPath] | None:
        turn = self.frames - 1
        arcs = dataclasses.replace(self, camera_arc=tuple(turn * arc for arc in self.camera_arc))
        drawn = room.sample_scene(arcs, num_objects, rng)
        if drawn is None:
            return None
        scene, path = drawn[0], room.sample_camera(arcs, rng)
        shift = sample_glances(self, scene, path, rng)  # [T]
        path = dataclasses.replace(path, position=path.position + shift[:, None] * sideways(path))
        return None if scene.clearance(path.position) < room.CAMERA_CLEARANCE else (scene, path)

    def accepts(self, segments: np.ndarray) -> bool:
        present = np.unique(segments)
        shown = (segments[..., None] == present[present > 0]).any(axis=(1, 2))  # [T, N]
        if not (shown[0].all() and shown[-1].all() and shown.any(axis=1).all()):
            return False
        absences = [
            sum(1 for _ in group)
            for column in shown.T
            for visible, group in itertools.groupby(column.tolist())
            if not visible
        ]
        longest_glance = self.glance_gap[1] + 2 * self.glance_turn[1] + self.glance_stay[1]
        least = 1 if self.frames > longest_glance else 0
        return least <= max(absences, default=0) <= self.max_absence

    def develop(self, video: np.ndarray) -> np.ndarray:
        return turn_hues(video, self.hue_drift) if self.hue_drift else video


def sideways(path: CameraPath) -> np.ndarray:
    """The camera's unit vector to the right, `[T, 3]`."""
    return np.stack([np.sin(path.yaw), -np.cos(path.yaw), np.zeros_like(path.yaw)], axis=1)


def sample_glances(preset: GlancingPreset, scene: Scene, path: CameraPath, rng: np.random.Generator) -> np.ndarray:
    """How far to the right the camera is shifted in each frame, `[T]` in world units."""
    offset = scene.positions() - path.position[:, None]  # [T, N, 3]
    lateral = (offset * sideways(path)[:, None]).sum(-1)  # [T, N]
    depth = (offset * path.directions()[:, None]).sum(-1)
    edge = depth * math.tan(math.radians(preset.field_of_view) / 2)
    reach = np.array([item.reach for item in scene.objects])
    frame, moments, shift = rng.uniform(*preset.glance_gap), np.arange(preset.frames), np.zeros(preset.frames)
    while True:
        turn, stay = rng.uniform(*preset.glance_turn), rng.uniform(*preset.glance_stay)
        middle = frame + turn + stay / 2
        frame += 2 * turn + stay
        if frame > preset.frames - 1:
            return shift
        nearest = round(middle)
        leaving = int(np.argmax(np.abs(lateral[nearest])))
        # Away from the object, until it lies beyond the border.
        distance = edge[nearest, leaving] + reach[leaving] - abs(lateral[nearest, leaving])
        distance += rng.uniform(*preset.glance_margin)
        progress = np.clip((turn + stay / 2 - np.abs(moments - middle)) / turn, 0.0, 1.0)
        shift -= np.sign(lateral[nearest, leaving]) * distance * (1 - np.cos(math.pi * progress)) / 2
        frame += rng.uniform(*preset.glance_gap)
