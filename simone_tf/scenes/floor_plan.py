"""The L-shaped room seen from above: its walls, what stands where on its floor, and how far a point is from both.

The room is the square |x|, |y| <= half_width without its corner x > inner, y > inner.
"""

import dataclasses
import itertools
import math

import numpy as np

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Footprint:
    """A rectangle on the floor: its middle, half its sides, and its turn about the vertical axis in radians."""

    x: float
    y: float
    half_x: float
    half_y: float
    yaw: float = 0.0

    def axes(self) -> np.ndarray:
        """Returns the unit vectors along its sides, `[2, 2]`."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return np.array([[cos, sin], [-sin, cos]])

    def corners(self) -> np.ndarray:
        """Returns its four corners, `[4, 2]`."""
        signs = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]])
        return np.array([self.x, self.y]) + (signs * [self.half_x, self.half_y]) @ self.axes()

    def grown(self, gap: float) -> "Footprint":
        """The rectangle with `gap` more on each side."""
        return dataclasses.replace(self, half_x=self.half_x + gap, half_y=self.half_y + gap)

    def overlaps(self, other: "Footprint") -> bool:
        """Whether two rectangles share a point: no side of either separates them."""
        between = np.array([other.x - self.x, other.y - self.y])
        if math.hypot(*between) > math.hypot(self.half_x, self.half_y) + math.hypot(other.half_x, other.half_y):
            return False
        mine = self.axes() * [[self.half_x], [self.half_y]]
        others = other.axes() * [[other.half_x], [other.half_y]]
        for axis in (*self.axes(), *other.axes()):
            if abs(between @ axis) > np.abs(mine @ axis).sum() + np.abs(others @ axis).sum():
                return False
        return True

    def contains(self, other: "Footprint") -> bool:
        """Whether another rectangle lies within."""
        inside = np.abs((other.corners() - [self.x, self.y]) @ self.axes().T)
        return bool((inside <= [self.half_x, self.half_y]).all())

    def distance(self, point: np.ndarray) -> float:
        """Distance of a point `[2]` from the rectangle, 0 inside."""
        offset = np.abs(self.axes() @ (point - [self.x, self.y])) - [self.half_x, self.half_y]
        return float(np.linalg.norm(np.maximum(offset, 0.0)))


@dataclasses.dataclass(frozen=True)
class FloorPlan:
    """The L: half the side of the square around it, and x = y of its inner corner."""

    half_width: float
    inner: float

    def sides(self) -> tuple[tuple[Point, Point], ...]:
        """The six walls from start to end, with the room on the right-hand side; the last two form the inner corner."""
        h, c = self.half_width, self.inner
        corners = ((h, c), (h, -h), (-h, -h), (-h, h), (c, h), (c, c), (h, c))
        return tuple(itertools.pairwise(corners))

    def cut_out(self) -> Footprint:
        """The corner of the square that does not belong to the room; it goes on outside the square."""
        half = self.half_width
        return Footprint(self.inner + half, self.inner + half, half, half)

    def holds(self, footprint: Footprint, margin: float = 0.0) -> bool:
        """Whether a rectangle lies in the room, at least `margin` from the walls."""
        within = np.abs(footprint.corners()).max() <= self.half_width - margin
        return bool(within) and not footprint.grown(margin).overlaps(self.cut_out())

    def clearance(self, point: np.ndarray) -> float:
        """Distance of a point `[2]` from the nearest wall; 0 or less outside the room."""
        return min(self.half_width - float(np.abs(point).max()), self.cut_out().distance(point))

    def random_point(self, rng: np.random.Generator) -> np.ndarray:
        """Draws a point of the room uniformly, `[2]`."""
        while True:
            point = rng.uniform(-self.half_width, self.half_width, 2)
            if not (point > self.inner).all():
                return point


def place_at_wall(side: tuple[Point, Point], along: float, distance: float) -> tuple[np.ndarray, float]:
    """Where a thing with its back to a wall is.

    Args:
      side: start and end of the wall, with the room on the right-hand side.
      along: way from the start.
      distance: of the thing's middle from the wall.

    Returns:
      Its place on the floor `[2]`, and the yaw with which it faces the room (a thing of yaw 0 faces +y).
    """
    start, end = np.array(side[0]), np.array(side[1])
    way = (end - start) / np.linalg.norm(end - start)
    inward = np.array([way[1], -way[0]])
    return start + along * way + distance * inward, math.atan2(-inward[0], inward[1])


def length(side: tuple[Point, Point]) -> float:
    """Length of a wall."""
    return math.dist(*side)
