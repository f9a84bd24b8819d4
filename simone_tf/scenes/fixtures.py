"""What is fixed to the playroom: ceiling, skirting boards, door, windows and pictures. All of it is background."""

import numpy as np

from simone_tf.scenes.floor_plan import FloorPlan, Footprint, Point, length, place_at_wall
from simone_tf.scenes.scene import RGB, Part, Vector

WHITE, SKY = (0.96, 0.96, 0.94), (0.62, 0.84, 1.0)
DOOR_WIDTH, DOOR_HEIGHT = 0.95, 1.95
WINDOW_WIDTH, WINDOW_HEIGHT, WINDOW_SILL = 1.25, 1.05, 1.0
BOARD_HEIGHT, BOARD_DEPTH = 0.12, 0.03
# Least distance between two things on one wall, and from its ends.
SPACING = 0.25


def fixtures(
    plan: FloorPlan,
    wall_height: float,
    trim: RGB,
    pictures: list[RGB],
    num_windows: int,
    rng: np.random.Generator,
) -> tuple[tuple[Part, ...], Footprint]:
    """Draws the fixtures of a room.

    Args:
      plan: the room.
      wall_height: height of walls and ceiling.
      trim: colour of skirting boards and door.
      pictures: colours of the pictures, one each.
      num_windows: how many windows are tried; a wall without free space takes none.
      rng: source of all random numbers.

    Returns:
      The parts, and the floor in front of the door that is to be left free.

    Raises:
      ValueError: the room is too small for a door.
    """
    half = plan.half_width
    parts = [Part("cube", (half, half, 0.05), WHITE, offset=(0.0, 0.0, wall_height + 0.05))]
    for side in plan.sides():
        size = (length(side), 2 * BOARD_DEPTH, BOARD_HEIGHT)
        parts.append(_on_wall(side, length(side) / 2, BOARD_HEIGHT / 2, size, trim))
    taken: dict[int, list[tuple[float, float]]] = {}

    spot = _free_spot(plan, DOOR_WIDTH, taken, rng)
    if spot is None:
        raise ValueError(f"no wall of the room is long enough for a door of {DOOR_WIDTH}")
    side, along = plan.sides()[spot[0]], spot[1]
    parts.append(_on_wall(side, along, DOOR_HEIGHT / 2, (DOOR_WIDTH, 0.08, DOOR_HEIGHT), trim))
    parts.append(_on_wall(side, along + 0.35, 0.95, (0.12, 0.20, 0.05), (0.75, 0.65, 0.30)))
    place, yaw = place_at_wall(side, along, 0.35)
    threshold = Footprint(*place.tolist(), DOOR_WIDTH / 2, 0.35, yaw)

    for _ in range(num_windows):
        spot = _free_spot(plan, WINDOW_WIDTH, taken, rng)
        if spot:
            side, middle = plan.sides()[spot[0]], WINDOW_SILL + WINDOW_HEIGHT / 2
            parts.append(_on_wall(side, spot[1], middle, (WINDOW_WIDTH, 0.06, WINDOW_HEIGHT), WHITE))
            for shift in (-0.29, 0.29):
                parts.append(_on_wall(side, spot[1] + shift, middle, (0.50, 0.08, WINDOW_HEIGHT - 0.16), SKY))
    for color in pictures:
        width, height = rng.uniform(0.4, 0.7, 2)
        spot = _free_spot(plan, width, taken, rng)
        if spot:
            parts.append(_on_wall(plan.sides()[spot[0]], spot[1], 1.5, (width, 0.05, height), color))
    return tuple(parts), threshold


def _on_wall(side: tuple[Point, Point], along: float, middle: float, size: Vector, color: RGB) -> Part:
    """A board whose middle lies in the wall: half its depth shows."""
    place, yaw = place_at_wall(side, along, 0.0)
    half = (size[0] / 2, size[1] / 2, size[2] / 2)
    return Part("cube", half, color, offset=(float(place[0]), float(place[1]), middle), yaw=yaw)


def _free_spot(
    plan: FloorPlan, width: float, taken: dict[int, list[tuple[float, float]]], rng: np.random.Generator
) -> tuple[int, float] | None:
    """Draws a wall and a free place along it, and marks it as taken; None when no try was free."""
    lengths = np.array([length(side) for side in plan.sides()])
    for _ in range(20):
        index = int(rng.choice(len(lengths), p=lengths / lengths.sum()))
        ends = width / 2 + SPACING
        if lengths[index] < 2 * ends:
            continue
        along = float(rng.uniform(ends, lengths[index] - ends))
        others = taken.setdefault(index, [])
        if all(abs(along - other) >= (width + wide) / 2 + SPACING for other, wide in others):
            others.append((along, width))
            return index, along
    return None
