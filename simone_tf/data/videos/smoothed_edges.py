"""Notices masks whose edges were smoothed: what lies between two instances there becomes instances of its own."""

import sys
from types import TracebackType

import numpy as np

from simone_tf.cli.console import say

_REACH = 3  # pixels from a mixture to what it is mixed from
_TOLERANCE = 3.0  # of 255, that a mixed colour may lie beside the line between two colours
_MOST_PIXELS = 20_000  # that are looked at in one picture
_LEAST = 3  # mixtures that are told


class SmoothedEdges:
    """Gathers, over the masks of one video, the instances that are nothing but mixtures along edges.

    At the end of the block a warning tells of them where they are many among the instances.

    An instance is a mixture when nowhere in the video it covers 2 x 2 pixels, and most of its pixels lie near two
    instances that do, with a number or colour between theirs. True instances are hardly ever so, however many there
    are: one of a few pixels lies on one other, or has a number or colour of its own.

    Args:
      folder: the masks' name in the warning.
    """

    def __init__(self, folder: str):
        self._folder = folder
        self._seen: set[int] = set()
        self._solid: set[int] = set()
        self._mixed: dict[int, str] = {}

    def add(self, path: str, codes: np.ndarray, is_colour: bool) -> None:
        """Looks at one mask, [H, W] of numbers or of 0xRRGGBB."""
        solid = _solid_pixels(codes)
        found = set(np.unique(codes[solid]).tolist())
        self._solid |= found
        self._seen |= found
        rest = np.argwhere(~solid)
        self._seen.update(np.unique(codes[~solid]).tolist())
        rest = rest[:: max(1, -(-len(rest) // _MOST_PIXELS))]
        if len(found) < 2 or not len(rest):
            return
        values = codes[tuple(rest.T)]
        thin = ~np.isin(values, list(self._solid))
        rest, values = rest[thin], values[thin]
        if not len(rest):
            return
        between = _between(codes, solid, rest, is_colour)
        instances, inverse = np.unique(values, return_inverse=True)
        share = np.bincount(inverse, between) / np.bincount(inverse)
        for instance in instances[share > 0.5].tolist():
            self._mixed.setdefault(instance, path)

    def __enter__(self) -> "SmoothedEdges":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind in (None, GeneratorExit):
            self._tell()

    def _tell(self) -> None:
        mixed = {code: path for code, path in self._mixed.items() if code not in self._solid and code}
        if len(mixed) < max(_LEAST, len(self._solid) / 2):
            return
        say(
            f"{self._folder}: {len(mixed)} of the {len(self._seen - {0})} instances of its masks (the first in "
            f"{next(iter(mixed.values()))}) are only seen as thin edges between two others, as smoothing makes them: "
            "export the masks without anti-aliasing, and resize them by nearest neighbour.",
            sys.stderr,
        )


def _solid_pixels(codes: np.ndarray) -> np.ndarray:
    """bool [H, W]: the pixels in squares of 2 x 2 of one number."""
    solid = np.zeros(codes.shape, bool)
    corner = codes[:-1, :-1]
    square = (corner == codes[1:, :-1]) & (corner == codes[:-1, 1:]) & (corner == codes[1:, 1:])
    for part in (solid[:-1, :-1], solid[1:, :-1], solid[:-1, 1:], solid[1:, 1:]):
        part |= square
    return solid


def _between(codes: np.ndarray, solid: np.ndarray, pixels: np.ndarray, is_colour: bool) -> np.ndarray:
    """bool [P]: which of the pixels [P, 2] have a value between those of two solid instances near them."""
    reach = np.arange(-_REACH, _REACH + 1)
    offsets = np.stack(np.meshgrid(reach, reach, indexing="ij"), -1).reshape(-1, 2)
    offsets = offsets[np.argsort((offsets**2).sum(axis=1), kind="stable")]
    around = pixels[:, np.newaxis] + offsets
    inside = ((around >= 0) & (around < codes.shape)).all(axis=-1)
    around = np.where(inside[..., np.newaxis], around, pixels[:, np.newaxis])
    rows, columns = around[..., 0], around[..., 1]
    known = solid[rows, columns]
    near = _vectors(codes[rows, columns], is_colour)
    own = _vectors(codes[tuple(pixels.T)], is_colour)
    index = np.arange(len(pixels))
    # The nearest solid instance, and the one that is most unlike it.
    first = near[index, known.argmax(axis=1)]
    unlike = np.where(known, np.linalg.norm(near - first[:, np.newaxis], axis=-1), -1)
    # Seen from there, what is most unlike: at a point where three meet, the two that differ most.
    second = near[index, unlike.argmax(axis=1)]
    way = second - first
    length = np.maximum((way**2).sum(axis=-1), 1e-9)
    along = ((own - first) * way).sum(axis=-1) / length
    aside = np.linalg.norm(own - first - along[:, np.newaxis] * way, axis=-1)
    return known.any(axis=1) & (along > 0) & (along < 1) & (aside <= _TOLERANCE)


def _vectors(codes: np.ndarray, is_colour: bool) -> np.ndarray:
    """float32 [..., C] of numbers or of 0xRRGGBB."""
    if not is_colour:
        return codes[..., np.newaxis].astype(np.float32)
    return np.stack([codes >> 16 & 255, codes >> 8 & 255, codes & 255], axis=-1).astype(np.float32)
