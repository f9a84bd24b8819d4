"""Objects put together from several simple parts: how furniture and toys are described before they are placed.

A composite stands with its underside at z = 0 around the vertical axis through the origin and faces +y.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from simone_tf.scenes.scene import RGB, WITH_CORNERS, Part, SceneObject, Vector, upright


@dataclasses.dataclass(frozen=True)
class Top:
    """A level rectangle of a composite on which small things can stand."""

    # Middle of the rectangle, in the composite's frame.
    center: Vector
    half_size: tuple[float, float]
    # Free height above it.
    headroom: float = math.inf


@dataclasses.dataclass(frozen=True)
class Composite:
    """Parts of one object, and where other objects can be put on it."""

    parts: tuple[Part, ...]
    tops: tuple[Top, ...] = ()

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the lowest and highest corner, `[3]` each, of the box around all parts in the composite's frame."""
        lows, highs = zip(*(part_bounds(part) for part in self.parts), strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def scaled(self, width: float, height: float) -> "Composite":
        """The same in other dimensions: x and y times `width`, z times `height`."""
        factors = np.array([width, width, height])
        return Composite(
            tuple(
                dataclasses.replace(
                    part,
                    half_extents=tuple((factors * part.half_extents).tolist()),
                    offset=tuple((factors * part.offset).tolist()),
                )
                for part in self.parts
            ),
            tuple(
                Top(
                    tuple((factors * top.center).tolist()),
                    (width * top.half_size[0], width * top.half_size[1]),
                    height * top.headroom,
                )
                for top in self.tops
            ),
        )

    def placed(
        self, place: np.ndarray, yaw: float, frames: int, *, shape: str, color: str
    ) -> tuple[SceneObject, tuple[Top, ...]]:
        """Puts the composite into the world.

        Args:
          place: `[3]`, the world position of the point below the middle of its bounding box, at its underside.
          yaw: turn about the vertical axis, radians.
          frames: number of moments, T; the object stands still.
          shape: what the object is.
          color: name of its main colour.

        Returns:
          The object, whose size is half the longest side of its bounding box, and its tops with centres in the world.
        """
        low, high = self.bounds()
        middle = (low + high) / 2
        origin = place + np.array([0.0, 0.0, (high[2] - low[2]) / 2])
        parts = tuple(
            dataclasses.replace(part, offset=tuple(np.subtract(part.offset, middle).tolist())) for part in self.parts
        )
        item = SceneObject(
            parts=parts,
            positions=np.broadcast_to(origin, (frames, 3)),
            quaternions=np.broadcast_to(upright(yaw), (frames, 4)),
            shape=shape,
            color=color,
            size=float((high - low).max() / 2),
        )
        cos, sin = math.cos(yaw), math.sin(yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        tops = tuple(
            dataclasses.replace(top, center=tuple((origin + turn @ np.subtract(top.center, middle)).tolist()))
            for top in self.tops
        )
        return item, tops


# (main colour, second colour, random numbers for details) -> composite.
Builder = Callable[[RGB, RGB, np.random.Generator], Composite]


def solid(shape: str, size: Vector, place: Vector, color: RGB, yaw: float = 0.0) -> Part:
    """A part given by its full width, depth and height and by the middle of its underside."""
    return Part(
        shape,
        (size[0] / 2, size[1] / 2, size[2] / 2),
        color,
        offset=(place[0], place[1], place[2] + size[2] / 2),
        yaw=yaw,
    )


def shaded(color: RGB, factor: float) -> RGB:
    """A colour made darker by a factor below 1."""
    red, green, blue = color
    return (red * factor, green * factor, blue * factor)


def part_bounds(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lowest and highest corner, `[3]` each, of the box around a part, in the frame of its object."""
    x, y, z = part.half_extents
    cos, sin = abs(math.cos(part.yaw)), abs(math.sin(part.yaw))
    norm = (lambda a, b: a + b) if part.shape in WITH_CORNERS else math.hypot
    half = np.array([norm(x * cos, y * sin), norm(x * sin, y * cos), z])
    return part.offset - half, part.offset + half
