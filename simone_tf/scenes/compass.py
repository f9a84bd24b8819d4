"""Rooms whose walls tell the directions apart, for models that draw a room from where it was not seen.

The four walls have four hues, a quarter of the colour circle from one to the next, always the same way round: what two
walls look like tells the other two.
"""

import colorsys
import dataclasses
from typing import ClassVar

import numpy as np

from simone_tf.scenes.camera import CameraPath
from simone_tf.scenes.preset import Range
from simone_tf.scenes.room import RoomPreset
from simone_tf.scenes.scene import Scene, Surface


@dataclasses.dataclass(frozen=True)
class CompassPreset(RoomPreset):
    """Settings of rooms with a wall of its own colour on each side; `surface_*` are those of the floor."""

    family: ClassVar[str] = "compass"

    # HSV saturation and value of the walls, one draw for all four.
    wall_saturation: Range
    wall_value: Range

    def sample(self, num_objects: int, rng: np.random.Generator) -> tuple[Scene, CameraPath] | None:
        drawn = super().sample(num_objects, rng)
        if drawn is None:
            return None
        scene, path = drawn
        first, saturation, value = rng.random(), rng.uniform(*self.wall_saturation), rng.uniform(*self.wall_value)
        colors = [colorsys.hsv_to_rgb((first + side / 4) % 1.0, saturation, value) for side in range(4)]
        walls = tuple(
            dataclasses.replace(wall, surface=Surface("flat", color, color, 0))
            for wall, color in zip(scene.walls, colors, strict=True)
        )
        return dataclasses.replace(scene, walls=walls), path
