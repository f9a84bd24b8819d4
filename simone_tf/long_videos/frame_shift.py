"""How far the picture as a whole moves from one frame to the next, as it does when the camera turns."""

import numpy as np
import scipy.fft

# Two frames of a video have at least this share of what they show in common; less is no basis for a comparison.
_LEAST_SHARED = 0.35
# For every squared pixel of its length, a shift has to explain so much of the mean squared difference of the frames
# (colours in [0, 1]): where nothing but noise is to be seen, nothing moves.
_COST = 1e-4 / 3


def frame_shift(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """(rows, columns) by which the content of `before` has moved in `after`, down and right being positive.

    Of all shifts by whole pixels that leave at least 35 % of the frame in sight, that of the least mean squared
    difference over what both frames show (block matching with the whole frame as its block).

    Args:
      before, after: `[H, W, 3]` float, colours in [0, 1].
    """
    height, width, _ = before.shape
    rows, columns = np.arange(1 - height, height)[:, np.newaxis], np.arange(1 - width, width)
    area = (height - np.abs(rows)) * (width - np.abs(columns))
    # Sums over what both frames show, for all shifts at once: correlations are products of spectra.
    size = [scipy.fft.next_fast_len(2 * side - 1, real=True) for side in (height, width)]
    old, new = scipy.fft.rfft2([_with_squares(before), _with_squares(after)], size, axes=(1, 2))
    inside = scipy.fft.rfft2(np.ones((height, width)), size)
    spectrum = np.conj(old[..., 3]) * inside + np.conj(inside) * new[..., 3]
    spectrum -= 2.0 * (np.conj(old[..., :3]) * new[..., :3]).sum(axis=-1)
    difference = scipy.fft.irfft2(spectrum, size)[rows, columns] / (3.0 * area)
    cost = difference + _COST * (rows**2 + columns**2)
    cost[area < _LEAST_SHARED * height * width] = np.inf
    row, column = np.unravel_index(np.argmin(cost), cost.shape)
    return int(row) - (height - 1), int(column) - (width - 1)


def _with_squares(picture: np.ndarray) -> np.ndarray:
    """`[H, W, 4]`: the colours, and the sum of their squares."""
    picture = picture.astype(np.float64)
    return np.concatenate([picture, np.square(picture).sum(axis=-1, keepdims=True)], axis=-1)


def shifted(values: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """`[..., H, W]` moved by (rows, columns) as `frame_shift` gives them; what comes into sight is 0."""
    rows, columns = shift
    height, width = values.shape[-2:]
    moved = np.zeros_like(values)
    kept = values[..., max(0, -rows) : height - max(0, rows), max(0, -columns) : width - max(0, columns)]
    moved[..., max(0, rows) : height - max(0, -rows), max(0, columns) : width - max(0, -columns)] = kept
    return moved
