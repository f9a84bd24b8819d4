"""Which slot stands for which true object: one to one, over a whole clip.

The mean squared error between the true masks and the soft masks of the slots is what the paper aligns by (section 5.3);
the assignment is solved exactly (Hungarian matching, `scipy.optimize.linear_sum_assignment`). The background takes part
by default, so that the slot which paints it is not handed to an object; where slots are scarce it competes with the
objects for them.

The answer is an array of slots, entry k - 1 for instance k. UNMATCHED stands for an object that shows no pixel in the
clip, or for which no slot is left.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

UNMATCHED = -1
"""The slot of an object that has none."""


def match_by_mask_error(
    segments: np.ndarray,
    slot_masks: np.ndarray,
    num_objects: int,
    background: bool = True,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """The assignment of smallest total mean squared error between true and soft masks (paper, section 5.3).

    Args:
      segments: `[T, H, W]` integers in [0, num_objects], true segments, 0 = background.
      slot_masks: `[K, T, H, W]` float in [0, 1].
      num_objects: N, number of instances that the dataset counts; ids that do not occur are UNMATCHED.
      background: whether the background is matched too.
      valid: `[T, H, W]` bool, False for the pixels that are of no account, whatever ids they have; None for all.

    Returns:
      `[N]` int64, the slot of each object or UNMATCHED.

    Raises:
      ValueError: for shapes or ids that do not fit.
    """
    cost, present = mask_errors(segments, slot_masks, num_objects, valid)
    return _assign(cost, present, background)


def mask_errors(
    segments: np.ndarray, slot_masks: np.ndarray, num_objects: int, valid: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared error between every true mask and every slot's mask, over the pixels that are valid.

    Returns:
      `[N + 1, K]` float64, row 0 the background; and `[N + 1]` bool, which true segments show a pixel.
    """
    segments, slot_masks = np.asarray(segments), np.asarray(slot_masks)
    if segments.ndim != 3 or slot_masks.shape[1:] != segments.shape:
        raise ValueError(
            f"segments must be [T, H, W] and slot_masks [K, T, H, W], got {segments.shape} and {slot_masks.shape}."
        )
    if valid is not None:
        valid = np.asarray(valid, bool)
        if valid.shape != segments.shape:
            raise ValueError(f"valid must be {segments.shape}, got {valid.shape}.")
        segments, slot_masks = segments[valid], slot_masks[:, valid]
    _check_ids(segments, num_objects + 1, "segments")
    ids = segments.ravel()
    areas = np.bincount(ids, minlength=num_objects + 1).astype(np.float64)
    # sum (1_k - m)^2 = |k| - 2 sum_k m + sum m^2: no true mask is ever laid out.
    inside, squares = [], []
    for mask in slot_masks:
        mask = mask.ravel().astype(np.float64)
        inside.append(np.bincount(ids, mask, minlength=num_objects + 1))
        squares.append(mask @ mask)
    cost = (areas[:, np.newaxis] - 2.0 * np.stack(inside, axis=1) + np.array(squares)) / max(ids.size, 1)
    return cost, areas > 0


def overlap_table(segments: np.ndarray, predicted: np.ndarray, num_true: int, num_slots: int) -> np.ndarray:
    """Pixels that each true segment shares with each slot: two arrays of integers of one shape -> `[num_true, K]`."""
    segments, predicted = np.asarray(segments), np.asarray(predicted)
    if segments.shape != predicted.shape:
        raise ValueError(f"true segments {segments.shape} and predicted segments {predicted.shape} differ in shape.")
    _check_ids(segments, num_true, "segments")
    _check_ids(predicted, num_slots, "predicted")
    # Together with signed integers those of uint64 would become floats.
    cells = segments.ravel().astype(np.int64) * num_slots + predicted.ravel().astype(np.int64)
    return np.bincount(cells, minlength=num_true * num_slots).reshape(num_true, num_slots)


def intersection_over_union(table: np.ndarray) -> np.ndarray:
    """`[N, K]` pixel counts over all pixels -> `[N, K]` float64; 0 where both segment and slot are empty."""
    union = table.sum(1, keepdims=True) + table.sum(0, keepdims=True) - table
    return table / np.maximum(union, 1)


def _assign(cost: np.ndarray, present: np.ndarray, background: bool) -> np.ndarray:
    """Solves for the rows that are present; row 0 is the background."""
    competing = present.copy()
    competing[0] &= background
    slots = np.full(len(cost), UNMATCHED, np.int64)
    rows = np.flatnonzero(competing)
    matched, columns = linear_sum_assignment(cost[rows])
    slots[rows[matched]] = columns
    return slots[1:]


def _check_ids(ids: np.ndarray, limit: int, what: str) -> None:
    if not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(f"{what} must be integers, got {ids.dtype}.")
    if ids.size and (ids.min() < 0 or ids.max() >= limit):
        raise ValueError(f"{what} must be in [0, {limit}), got {ids.min()} to {ids.max()}.")
