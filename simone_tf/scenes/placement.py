"""Rules by which furniture and toys find their places in a room, apart from each other and from the walls."""

import dataclasses
import math

import numpy as np

from simone_tf.scenes.composite import Composite, Top
from simone_tf.scenes.floor_plan import FloorPlan, Footprint, length, place_at_wall
from simone_tf.scenes.furniture import FURNITURE
from simone_tf.scenes.preset import COLORS, Range
from simone_tf.scenes.scene import RGB, SceneObject
from simone_tf.scenes.toys import TOYS

TRIES = 40
# A back at a wall keeps clear of the skirting board; a table in the room is not pushed against a wall.
WALL_GAP, FREE_MARGIN = 0.06, 0.30
# Least distance between the bounding rectangles of two pieces of furniture, of a seat and its table, of a toy and
# anything else.
FURNITURE_GAP, SEAT_GAP, TOY_GAP = 0.10, 0.04, 0.03
TABLES = ("table", "round_table", "desk")
# Big pieces find room because they come first; seats need their tables.
ORDER = ("wall", "free", "seat")


@dataclasses.dataclass
class _Shelf:
    """A top in the world and what stands on it already."""

    area: Footprint
    height: float
    headroom: float
    taken: list[Footprint]


class Furnishing:
    """A room that is filled piece by piece."""

    def __init__(
        self,
        plan: FloorPlan,
        kept_free: Footprint,
        *,
        frames: int,
        colors: tuple[str, ...],
        brightness: Range,
        furniture_size: Range,
        toy_size: Range,
        rng: np.random.Generator,
    ):
        """Starts with an empty room.

        Args:
          plan: the room.
          kept_free: floor on which no furniture is put.
          frames: number of moments of the objects' paths.
          colors: names of the objects' colours.
          brightness: range of the factor on a colour, drawn per object.
          furniture_size: range of the factor on the catalogue's measures, drawn per piece.
          toy_size: the same for toys.
          rng: source of all random numbers.
        """
        self.objects: list[SceneObject] = []
        # What stands on the floor.
        self.standing: list[Footprint] = []
        self._plan, self._kept_free, self._frames = plan, kept_free, frames
        self._colors, self._brightness = colors, brightness
        self._furniture_size, self._toy_size = furniture_size, toy_size
        self._tables: list[Footprint] = []
        self._shelves: list[_Shelf] = []
        self._rng = rng

    def clearance(self, point: np.ndarray) -> float:
        """Distance of a point `[2]` of the floor from the nearest wall or thing, 0 or less within one."""
        return min(self._plan.clearance(point), *(item.distance(point) for item in self.standing))

    def add_furniture(self, name: str) -> bool:
        """Puts a piece of furniture where its kind stands; returns whether there was a place."""
        look, color = self._look()
        width, height = self._rng.uniform(*self._furniture_size), self._rng.uniform(*self._furniture_size)
        composite = FURNITURE[name].build(*look, self._rng).scaled(width, height)
        standing = FURNITURE[name].standing
        area = self._place_for_seat(composite) if standing == "seat" else None
        if area is None:
            area = self._place_at_wall(composite) if standing == "wall" else self._place_in_room(composite)
        if area is None:
            return False
        self._put(composite, area, 0.0, name, color)
        if name in TABLES:
            self._tables.append(area)
        return True

    def add_toy(self, name: str, on_top: bool) -> bool:
        """Puts a toy on furniture, if asked to and if it fits there, or else on the floor; returns whether it fits."""
        look, color = self._look()
        size = self._rng.uniform(*self._toy_size)
        composite = TOYS[name](*look, self._rng).scaled(size, size)
        if on_top and self._shelves and self._put_on_top(composite, name, color):
            return True
        for _ in range(TRIES):
            area = _footprint(composite, self._plan.random_point(self._rng), self._rng.uniform(0, 2 * math.pi))
            if self._is_free(area, TOY_GAP, TOY_GAP + WALL_GAP):
                self._put(composite, area, 0.0, name, color)
                return True
        return False

    def _look(self) -> tuple[tuple[RGB, RGB], str]:
        """Draws two different colours, and returns the name of the first one, too."""
        first, second = self._rng.choice(len(self._colors), 2, replace=False)
        names = (self._colors[first], self._colors[second])
        main, other = (tuple(self._rng.uniform(*self._brightness) * c for c in COLORS[name]) for name in names)
        return (main, other), names[0]

    def _place_at_wall(self, composite: Composite) -> Footprint | None:
        half_x, half_y = _half_size(composite)
        sides = self._plan.sides()
        lengths = np.array([length(side) for side in sides])
        for _ in range(TRIES):
            index = int(self._rng.choice(len(sides), p=lengths / lengths.sum()))
            along = self._rng.uniform(0, lengths[index])
            place, yaw = place_at_wall(sides[index], along, half_y + WALL_GAP)
            area = Footprint(*place.tolist(), half_x, half_y, yaw)
            if self._is_free(area, FURNITURE_GAP, WALL_GAP - 1e-6) and not area.overlaps(self._kept_free):
                return area
        return None

    def _place_in_room(self, composite: Composite) -> Footprint | None:
        for _ in range(TRIES):
            yaw = self._rng.integers(4) * math.pi / 2 + self._rng.normal(0, 0.1)
            area = _footprint(composite, self._plan.random_point(self._rng), yaw)
            if self._is_free(area, FURNITURE_GAP, FREE_MARGIN) and not area.overlaps(self._kept_free):
                return area
        return None

    def _place_for_seat(self, composite: Composite) -> Footprint | None:
        half_x, half_y = _half_size(composite)
        if not self._tables:
            return None
        for _ in range(TRIES // 2):
            table = self._tables[self._rng.integers(len(self._tables))]
            quarter = int(self._rng.integers(4))
            # The way from the table's middle to the seat, which looks back along it.
            heading = table.yaw + quarter * math.pi / 2
            out = np.array([math.cos(heading), math.sin(heading)])
            depth, wide = (table.half_x, table.half_y) if quarter % 2 == 0 else (table.half_y, table.half_x)
            turn = self._rng.normal(0, 0.08)
            # A turned seat needs a little more room.
            distance = depth + half_y + half_x * abs(math.sin(turn)) + SEAT_GAP + 0.01
            shift = self._rng.uniform(-1, 1) * max(wide - half_x, 0.0)
            place = np.array([table.x, table.y]) + distance * out + shift * np.array([-out[1], out[0]])
            area = Footprint(*place.tolist(), half_x, half_y, heading + math.pi / 2 + turn)
            if self._is_free(area, SEAT_GAP, SEAT_GAP + WALL_GAP) and not area.overlaps(self._kept_free):
                return area
        return None

    def _put_on_top(self, composite: Composite, name: str, color: str) -> bool:
        low, high = composite.bounds()
        areas = np.array([shelf.area.half_x * shelf.area.half_y for shelf in self._shelves])
        for _ in range(TRIES):
            shelf = self._shelves[self._rng.choice(len(areas), p=areas / areas.sum())]
            place = np.array([shelf.area.x, shelf.area.y]) + self._rng.uniform(-1, 1, 2) @ (
                shelf.area.axes() * [[shelf.area.half_x], [shelf.area.half_y]]
            )
            area = _footprint(composite, place, self._rng.uniform(0, 2 * math.pi))
            if (
                high[2] - low[2] < shelf.headroom - 0.01
                and shelf.area.contains(area)
                and not any(area.grown(TOY_GAP).overlaps(other) for other in shelf.taken)
            ):
                shelf.taken.append(area)
                self._add(composite, area, shelf.height, name, color)
                return True
        return False

    def _is_free(self, area: Footprint, gap: float, margin: float) -> bool:
        wide = area.grown(gap)
        return self._plan.holds(area, margin) and not any(wide.overlaps(other) for other in self.standing)

    def _put(self, composite: Composite, area: Footprint, height: float, name: str, color: str) -> None:
        """Puts something on the floor."""
        self.standing.append(area)
        for top in self._add(composite, area, height, name, color):
            ground = Footprint(top.center[0], top.center[1], *top.half_size, area.yaw)
            self._shelves.append(_Shelf(ground, top.center[2], top.headroom, []))

    def _add(self, composite: Composite, area: Footprint, height: float, name: str, color: str) -> tuple[Top, ...]:
        place = np.array([area.x, area.y, height])
        item, tops = composite.placed(place, area.yaw, self._frames, shape=name, color=color)
        self.objects.append(item)
        return tops


def _half_size(composite: Composite) -> tuple[float, float]:
    low, high = composite.bounds()
    return float(high[0] - low[0]) / 2, float(high[1] - low[1]) / 2


def _footprint(composite: Composite, place: np.ndarray, yaw: float) -> Footprint:
    return Footprint(float(place[0]), float(place[1]), *_half_size(composite), yaw)
