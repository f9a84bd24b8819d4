"""Furniture of the playroom: composites in metres, two-toned, facing +y."""

import dataclasses

import numpy as np

from simone_tf.scenes.composite import Builder, Composite, Top, shaded, solid
from simone_tf.scenes.scene import RGB, Part

CREAM = (0.93, 0.90, 0.82)
GREEN = (0.16, 0.50, 0.18)


def bed(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A frame with head and foot in one colour, mattress and blanket in the other, and a pillow."""
    return Composite(
        (
            solid("cube", (1.02, 1.90, 0.26), (0, 0, 0.04), main),
            solid("cube", (1.06, 0.07, 0.85), (0, -0.985, 0), main),
            solid("cube", (1.06, 0.07, 0.48), (0, 0.985, 0), main),
            solid("cube", (0.96, 1.88, 0.16), (0, 0, 0.30), CREAM),
            solid("cube", (1.00, 1.25, 0.19), (0, 0.31, 0.30), second),
            solid("sphere", (0.70, 0.40, 0.22), (0, -0.66, 0.42), shaded(second, 0.8)),
        ),
        (Top((0, 0.31, 0.49), (0.45, 0.55)),),
    )


def sofa(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """Base, back and arms, with two seat cushions of another colour."""
    return Composite(
        (
            solid("cube", (1.50, 0.75, 0.30), (0, 0, 0), main),
            solid("cube", (1.50, 0.20, 0.50), (0, -0.275, 0.30), main),
            solid("cube", (0.18, 0.75, 0.55), (-0.83, 0, 0), main),
            solid("cube", (0.18, 0.75, 0.55), (0.83, 0, 0), main),
            solid("cube", (0.72, 0.56, 0.12), (-0.36, 0.10, 0.30), second),
            solid("cube", (0.72, 0.56, 0.12), (0.36, 0.10, 0.30), second),
        ),
        (Top((0, 0.10, 0.42), (0.70, 0.24)),),
    )


def armchair(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A sofa for one."""
    return Composite(
        (
            solid("cube", (0.50, 0.70, 0.28), (0, 0, 0), main),
            solid("cube", (0.50, 0.16, 0.60), (0, -0.27, 0.28), main),
            solid("cube", (0.14, 0.70, 0.52), (-0.32, 0, 0), main),
            solid("cube", (0.14, 0.70, 0.52), (0.32, 0, 0), main),
            solid("cube", (0.48, 0.54, 0.13), (0, 0.08, 0.28), second),
        ),
        (Top((0, 0.08, 0.41), (0.22, 0.24)),),
    )


def chair(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """Seat and back in one colour on four legs of the other."""
    return Composite(
        (
            *_legs(0.42, 0.42, 0.40, 0.05, second),
            solid("cube", (0.46, 0.46, 0.06), (0, 0, 0.40), main),
            solid("cube", (0.46, 0.05, 0.48), (0, -0.205, 0.46), main),
        )
    )


def stool(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A round seat on one leg with a round foot."""
    return Composite(
        (
            solid("cylinder", (0.34, 0.34, 0.04), (0, 0, 0), second),
            solid("cylinder", (0.09, 0.09, 0.38), (0, 0, 0.04), second),
            solid("cylinder", (0.42, 0.42, 0.09), (0, 0, 0.42), main),
        )
    )


def table(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A rectangular top on four legs."""
    width = rng.uniform(0.9, 1.3)
    return Composite(
        (
            *_legs(width - 0.1, 0.68, 0.56, 0.07, second),
            solid("cube", (width, 0.78, 0.06), (0, 0, 0.56), main),
        ),
        (Top((0, 0, 0.62), (width / 2 - 0.03, 0.36)),),
    )


def round_table(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A round top on a column with a round foot."""
    return Composite(
        (
            solid("cylinder", (0.50, 0.50, 0.04), (0, 0, 0), second),
            solid("cylinder", (0.13, 0.13, 0.48), (0, 0, 0.04), second),
            solid("cylinder", (0.95, 0.95, 0.06), (0, 0, 0.52), main),
        ),
        (Top((0, 0, 0.58), (0.32, 0.32)),),
    )


def desk(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A writing desk: top and one side in one colour, a block of drawers of the other."""
    return Composite(
        (
            solid("cube", (1.20, 0.60, 0.06), (0, 0, 0.62), main),
            solid("cube", (0.06, 0.56, 0.62), (-0.55, 0, 0), main),
            solid("cube", (0.40, 0.54, 0.62), (0.38, 0, 0), second),
            solid("cube", (0.20, 0.04, 0.03), (0.38, 0.28, 0.45), shaded(main, 0.5)),
            solid("cube", (0.20, 0.04, 0.03), (0.38, 0.28, 0.20), shaded(main, 0.5)),
        ),
        (Top((0, 0, 0.68), (0.57, 0.27)),),
    )


def chest_of_drawers(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A body with two to four drawer fronts."""
    drawers = int(rng.integers(2, 5))
    step = 0.72 / drawers
    fronts = [solid("cube", (0.80, 0.03, step - 0.05), (0, 0.225, 0.07 + i * step), second) for i in range(drawers)]
    knobs = [
        solid("sphere", (0.09, 0.05, 0.06), (0, 0.25, 0.04 + (i + 0.5) * step), shaded(main, 0.4))
        for i in range(drawers)
    ]
    return Composite(
        (solid("cube", (0.90, 0.44, 0.82), (0, 0, 0), main), *fronts, *knobs),
        (Top((0, 0, 0.82), (0.42, 0.20)),),
    )


def wardrobe(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A tall body with two doors and their handles."""
    return Composite(
        (
            solid("cube", (1.00, 0.54, 1.75), (0, 0, 0), main),
            solid("cube", (0.44, 0.03, 1.55), (-0.235, 0.28, 0.10), second),
            solid("cube", (0.44, 0.03, 1.55), (0.235, 0.28, 0.10), second),
            solid("cube", (0.04, 0.04, 0.22), (-0.07, 0.30, 0.85), CREAM),
            solid("cube", (0.04, 0.04, 0.22), (0.07, 0.30, 0.85), CREAM),
        )
    )


def bookcase(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A tall open case with a coloured back; rows of books on one or two boards, space for toys on the others."""
    return _shelves(0.84, 0.40, 3, 0.50, main, second, rng)


def shelf(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A low and wide open case."""
    return _shelves(1.20, 0.42, 2, 0.44, main, second, rng)


def toy_chest(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A chest with a lid and a band of another colour."""
    return Composite(
        (
            solid("cube", (0.80, 0.46, 0.36), (0, 0, 0), main),
            solid("cube", (0.84, 0.50, 0.09), (0, 0, 0.36), second),
            solid("cube", (0.12, 0.50, 0.16), (0, 0, 0.20), second),
        ),
        (Top((0, 0, 0.45), (0.38, 0.22)),),
    )


def floor_lamp(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A conical shade on a pole."""
    return Composite(
        (
            solid("cylinder", (0.36, 0.36, 0.05), (0, 0, 0), second),
            solid("cylinder", (0.06, 0.06, 1.10), (0, 0, 0.05), second),
            solid("cone", (0.52, 0.52, 0.42), (0, 0, 1.10), main),
        )
    )


def potted_plant(main: RGB, second: RGB, rng: np.random.Generator) -> Composite:
    """A pot with a bush, whose leaves are green whatever the pot's colours."""
    return Composite(
        (
            solid("cylinder", (0.36, 0.36, 0.32), (0, 0, 0), main),
            solid("cylinder", (0.42, 0.42, 0.08), (0, 0, 0.26), second),
            solid("sphere", (0.52, 0.46, 0.50), (0, 0, 0.30), GREEN),
            solid("sphere", (0.36, 0.40, 0.42), (0.04, 0.03, 0.62), shaded(GREEN, 1.3)),
        )
    )


def _legs(width: float, depth: float, height: float, thickness: float, color: RGB) -> tuple[Part, ...]:
    x, y = (width - thickness) / 2, (depth - thickness) / 2
    places = ((-x, -y), (-x, y), (x, -y), (x, y))
    return tuple(solid("cube", (thickness, thickness, height), (*place, 0), color) for place in places)


def _shelves(
    width: float, depth: float, spaces: int, space: float, main: RGB, second: RGB, rng: np.random.Generator
) -> Composite:
    """Spaces of a clear height above each other, between two sides; books fill some of them in part."""
    board, side = 0.05, 0.05
    height = spaces * (space + board) + board
    parts = [
        solid("cube", (side, depth, height), (-(width - side) / 2, 0, 0), main),
        solid("cube", (side, depth, height), ((width - side) / 2, 0, 0), main),
        solid("cube", (width - 2 * side, 0.03, height), (0, -(depth - 0.03) / 2, 0), second),
    ]
    inner, front = width - 2 * side, 0.015
    tops = [Top((0, front, height), (width / 2 - 0.03, depth / 2 - 0.04))]
    with_books = set(rng.permutation(spaces)[: rng.integers(1, spaces)].tolist())
    for i in range(spaces + 1):
        bottom = i * (space + board)
        parts.append(solid("cube", (inner, depth - 0.03, board), (0, front, bottom), main))
        if i == spaces:
            break
        left = -inner / 2
        if i in with_books:
            for _ in range(3):
                wide, tall = inner * rng.uniform(0.1, 0.2), space * rng.uniform(0.55, 0.85)
                color = tuple(rng.uniform(0.1, 0.9, 3).tolist())
                parts.append(solid("cube", (wide, 0.26, tall), (left + wide / 2, -0.03, bottom + board), color))
                left += wide
        free = inner / 2 - left
        tops.append(Top((left + free / 2, front, bottom + board), (free / 2 - 0.02, depth / 2 - 0.03), headroom=space))
    return Composite(tuple(parts), tuple(tops))


@dataclasses.dataclass(frozen=True)
class Furniture:
    """An entry of the catalogue."""

    build: Builder
    # Where it stands: "wall" = its back at a wall, "free" = in the room, "seat" = at a table if there is a free place.
    standing: str
    # How often it is drawn in comparison with the others.
    weight: float = 1.0


FURNITURE: dict[str, Furniture] = {
    "bed": Furniture(bed, "wall", 1.5),
    "sofa": Furniture(sofa, "wall"),
    "armchair": Furniture(armchair, "free", 0.7),
    "chair": Furniture(chair, "seat", 1.5),
    "stool": Furniture(stool, "seat", 0.7),
    "table": Furniture(table, "free", 1.2),
    "round_table": Furniture(round_table, "free", 0.8),
    "desk": Furniture(desk, "wall", 0.8),
    "chest_of_drawers": Furniture(chest_of_drawers, "wall", 1.2),
    "wardrobe": Furniture(wardrobe, "wall"),
    "bookcase": Furniture(bookcase, "wall", 1.2),
    "shelf": Furniture(shelf, "wall"),
    "toy_chest": Furniture(toy_chest, "wall", 0.8),
    "floor_lamp": Furniture(floor_lamp, "wall", 0.7),
    "potted_plant": Furniture(potted_plant, "wall", 0.6),
}
