"""How far the picture as a whole moves from one frame to the next, as it does when the camera turns."""

import numpy as np
from scipy.signal import fftconvolve

# Two frames of a video have at least this share of what they show in common; less is no basis for a comparison.
_LEAST_SHARED = 0.35
# A shift by one pixel has to explain so much of the mean squared difference of the frames (colours in [0, 1]): where
# nothing but noise is to be seen, nothing moves.
_COST_OF_A_PIXEL = 1e-4


def frame_shift(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """(rows, columns) by which the content of `before` has moved in `after`, down and right being positive.

    Of all shifts by whole pixels that leave at least 35 % of the frame in sight, that of the least mean squared
    difference over what both frames show (block matching with the whole frame as its block).

    Args:
      before, after: `[H, W, 3]` float, colours in [0, 1].
    """
    height, width, _ = before.shape
    before, after = before.astype(np.float64), after.astype(np.float64)
    inside = np.ones((height, width))
    area = np.rint(_correlation(inside, inside))
    # Entry (H - 1 + rows, W - 1 + columns) of each: sums over the pixels that both frames show at that shift.
    squares = _correlation(np.square(before).sum(-1), inside) + _correlation(inside, np.square(after).sum(-1))
    products = sum(_correlation(before[..., channel], after[..., channel]) for channel in range(3))
    difference = (squares - 2.0 * products) / np.maximum(3.0 * area, 1.0)
    rows, columns = np.arange(1 - height, height)[:, np.newaxis], np.arange(1 - width, width)
    cost = difference + _COST_OF_A_PIXEL / 3.0 * (rows**2 + columns**2)
    cost[area < _LEAST_SHARED * height * width] = np.inf
    row, column = np.unravel_index(np.argmin(cost), cost.shape)
    return int(row) - (height - 1), int(column) - (width - 1)


def shifted(values: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """`[..., H, W]` moved by (rows, columns) as `frame_shift` gives them; what comes into sight is 0."""
    rows, columns = shift
    height, width = values.shape[-2:]
    moved = np.zeros_like(values)
    kept = values[..., max(0, -rows) : height - max(0, rows), max(0, -columns) : width - max(0, columns)]
    moved[..., max(0, rows) : height - max(0, -rows), max(0, columns) : width - max(0, -columns)] = kept
    return moved


def _correlation(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Sum over y, x of before[y, x] * after[y + rows, x + columns], for every shift; `[2 H - 1, 2 W - 1]`."""
    return fftconvolve(after, before[::-1, ::-1])
