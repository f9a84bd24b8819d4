"""Overlap of true objects with slots: mIoU (each object its own slot) and mBO (each object its best slot).

The eight scores of a clip; all are means over objects of intersection over union (IoU) in [0, 1]:

| score                      | an object is                   | averaged over                                        |
|----------------------------|--------------------------------|------------------------------------------------------|
| `video_miou_foreground`    | its pixels in all frames       | objects that show a pixel in the clip                |
| `video_miou`               | its pixels in all frames       | the same and the background, as one more object      |
| `video_mbo_foreground`     | its pixels in all frames       | objects that show a pixel in the clip                |
| `video_mbo`                | its pixels in all frames       | the same and the background                          |
| `static_miou_foreground`   | its pixels in one frame        | objects seen in the frame; then over frames          |
| `static_miou`              | its pixels in one frame        | the same and the frame's background; over frames     |
| `static_mbo_foreground`    | its pixels in one frame        | objects seen in the frame; then over frames          |
| `static_mbo`               | its pixels in one frame        | the same and the frame's background; over frames     |

mIoU assigns slots to objects one to one so that the total is largest (Hungarian matching); an object for which no slot
is left counts 0. In the foreground scores the background is given no slot. mBO takes the best slot of each object, so
that one slot may serve several; it is never below mIoU. A slot is all its pixels, those on the background too: a slot
larger than its object loses in every score. In static scores a slot need not stay with its object from frame to frame.

Degenerate cases, in keeping with `segmentation`:

* an object that shows no pixel (in the clip, or in the frame) is no object of it and changes no score;
* a frame without any foreground is left out of the foreground means; a clip without any has NaN foreground scores;
* slots without a pixel change no score, whatever their number. A perfect prediction scores exactly 1.

Pixels that are not `valid` (of no known segment, see `void`) are in neither an object nor a slot; a frame without any
other is left out of all means.
"""

import numpy as np
from scipy.optimize import linear_sum_assignment

from simone_tf.evaluation.scores.matching import intersection_over_union, overlap_table

OVERLAP_SCORES: tuple[str, ...] = (
    "video_miou_foreground",
    "video_miou",
    "video_mbo_foreground",
    "video_mbo",
    "static_miou_foreground",
    "static_miou",
    "static_mbo_foreground",
    "static_mbo",
)
"""The names of the scores, in the order in which they are reported."""


def overlap_scores(
    segments: np.ndarray, predicted: np.ndarray, num_slots: int, valid: np.ndarray | None = None
) -> dict[str, float]:
    """All scores of one clip.

    Args:
      segments: `[T, H, W]` non-negative integers, true segments, 0 = background; ids need not be consecutive.
      predicted: `[T, H, W]` integers in [0, num_slots), the slot of largest mask.
      num_slots: K, spare slots included.
      valid: `[T, H, W]` bool, False for the pixels that are in no score, whatever ids they have; None for all.

    Returns:
      Score by name, see `OVERLAP_SCORES`; NaN where there is none.

    Raises:
      ValueError: for shapes or ids that do not fit.
    """
    segments, predicted = np.asarray(segments), np.asarray(predicted)
    if segments.ndim != 3 or segments.shape != predicted.shape or not segments.size:
        raise ValueError(f"segments must both be [T, H, W], got {segments.shape} and {predicted.shape}.")
    counted = _counted(valid, segments.shape)
    if valid is not None:
        segments, predicted = np.where(counted, segments, 0), np.where(counted, predicted, 0)
    if not np.issubdtype(segments.dtype, np.integer) or segments.min() < 0:
        raise ValueError("segments must be non-negative integers, 0 = background.")
    # Row 0 stays the background's, also where it shows no pixel.
    present = np.union1d([0], segments)
    segments = np.searchsorted(present, segments)
    tables = np.stack(
        [
            overlap_table(true[counts], slots[counts], len(present), num_slots)
            for true, slots, counts in zip(segments, predicted, counted, strict=True)
        ]
    )  # [T, N, K]

    video = _table_scores(tables.sum(0))
    static = [_table_scores(table) for table in tables]
    scores = {f"video_{name}": score for name, score in video.items()}
    for name in video:
        values = np.array([frame[name] for frame in static])
        values = values[~np.isnan(values)]
        scores[f"static_{name}"] = float(values.mean()) if values.size else float("nan")
    return {name: scores[name] for name in OVERLAP_SCORES}


def _table_scores(table: np.ndarray) -> dict[str, float]:
    """The four scores of one set of pixels; row 0 of `[N, K]` is the background."""
    iou = intersection_over_union(table)
    present = table.sum(1) > 0
    foreground = present.copy()
    foreground[0] = False
    return {
        "miou_foreground": _mean_iou(iou[foreground]),
        "miou": _mean_iou(iou[present]),
        "mbo_foreground": float(iou[foreground].max(1).mean()) if foreground.any() else float("nan"),
        "mbo": float(iou[present].max(1).mean()) if present.any() else float("nan"),
    }


def _counted(valid: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    if valid is None:
        return np.ones(shape, bool)
    valid = np.asarray(valid, bool)
    if valid.shape != shape:
        raise ValueError(f"valid must be {shape}, got {valid.shape}.")
    return valid


def _mean_iou(iou: np.ndarray) -> float:
    """Largest total of a one-to-one assignment of objects to slots, over the number of objects `[N, K]`."""
    if not len(iou):
        return float("nan")
    return float(iou[linear_sum_assignment(iou, maximize=True)].sum() / len(iou))
