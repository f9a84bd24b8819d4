"""Pictures of tetrominoes on black, in the manner of DeepMind's set of that name (multi_object_datasets).

Pieces of four squares each, of colours that differ within a picture, at any pixel where they fit, none over another.
"""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from simone_tf.errors import UserError
from simone_tf.scenes.preset import RGB, FlatPreset

COLORS: dict[str, RGB] = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "magenta": (1.0, 0.0, 1.0),
    "cyan": (0.0, 1.0, 1.0),
}

_PIECES = {
    "I": ("####",),
    "O": ("##", "##"),
    "T": ("###", ".#."),
    "S": (".##", "##."),
    "Z": ("##.", ".##"),
    "L": ("#.", "#.", "##"),
    "J": (".#", ".#", "##"),
}


def _turned(rows: tuple[str, ...]) -> list[np.ndarray]:
    """The different quarter turns of a piece, each `[rows, columns]` bool."""
    squares = np.array([[square == "#" for square in row] for row in rows])
    turns: list[np.ndarray] = []
    for quarter in range(4):
        turned = np.rot90(squares, quarter)
        if not any(np.array_equal(turned, other) for other in turns):
            turns.append(turned)
    return turns


SHAPES: dict[str, np.ndarray] = {
    f"{piece}{turn}": squares for piece, rows in _PIECES.items() for turn, squares in enumerate(_turned(rows))
}
"""Piece and quarter turns against the clock -> its squares, `[rows, columns]` bool; 19 in all."""


@dataclasses.dataclass(frozen=True)
class TetrominoesPreset(FlatPreset):
    """Settings of pictures of tetrominoes; of several frames all are the same."""

    family: ClassVar[str] = "tetrominoes"

    # Fewest and most pieces of a picture, both included; at most as many as there are colours.
    num_objects: tuple[int, int]
    # Colours of pieces, keys of `COLORS`; no two pieces of a picture share one.
    colors: tuple[str, ...]
    # So many squares fit into the side of a picture; a square's side is rounded down to whole pixels.
    squares: int

    @property
    def square_size(self) -> int:
        """Side of a square in pixels."""
        return self.size // self.squares

    def draw(self, num_objects: int, rng: np.random.Generator) -> dict[str, np.ndarray] | None:
        colors = rng.permutation(len(self.colors))[:num_objects]
        video = np.zeros((self.size, self.size, 3), np.uint8)
        segments = np.zeros((self.size, self.size), np.uint8)
        most = self.num_objects[1]
        attributes = np.zeros((most, len(self.attributes())), np.float32)
        for number, color in enumerate(colors):
            shape = int(rng.integers(len(SHAPES)))
            piece = np.kron(tuple(SHAPES.values())[shape], np.ones((self.square_size, self.square_size), bool))
            top, left = (int(rng.integers(self.size - side + 1)) for side in piece.shape)
            window = slice(top, top + piece.shape[0]), slice(left, left + piece.shape[1])
            if segments[window][piece].any():
                return None
            segments[window][piece] = number + 1
            video[window][piece] = np.rint(255 * np.array(COLORS[self.colors[color]]))
            attributes[number] = shape, color, left + piece.shape[1] / 2, top + piece.shape[0] / 2
        present = np.arange(most) < num_objects
        return {
            "video": np.repeat(video[None], self.frames, axis=0),
            "segments": np.repeat(segments[None], self.frames, axis=0),
            "object_visible": np.repeat(present[None], self.frames, axis=0),
            "object_moving": np.zeros(most, bool),
            "object_attributes": attributes,
        }

    def attributes(self) -> list[dict[str, Any]]:
        """Piece with its turn, colour, and the middle of its bounding box in pixels from the left and upper border."""
        return [
            {"name": "shape", "values": list(SHAPES)},
            {"name": "color", "values": list(self.colors)},
            {"name": "x"},
            {"name": "y"},
        ]

    def at_size(self, size: int) -> "TetrominoesPreset":
        """The preset at another frame size.

        Raises:
          UserError: a square would be smaller than a pixel.
        """
        if size < self.squares:
            raise UserError(
                f"Preset {self.name!r} cannot be drawn at {size}x{size} pixels, as {self.squares} squares lie side by "
                f"side: choose a size of at least {self.squares}."
            )
        return dataclasses.replace(self, size=size)
