"""Segmentation scores: adjusted Rand index of predicted against true segments, per frame and over the whole video.

The four scores of a clip, as in table 1 of the paper (ARI-F is the foreground variant):

| score                   | points compared                          | a predicted class is                         |
|-------------------------|------------------------------------------|----------------------------------------------|
| `video_ari_foreground`  | pixels of all frames with `segments > 0` | one slot over the whole clip (must track)    |
| `video_ari`             | pixels of all frames                     | one slot over the whole clip (must track)    |
| `static_ari_foreground` | pixels of one frame with `segments > 0`  | one slot in this frame; mean over the frames |
| `static_ari`            | pixels of one frame                      | one slot in this frame; mean over the frames |

The adjusted Rand index (Hubert & Arabie 1985) is 1 for equal partitions, 0 in expectation for a random one and exactly
0 for a prediction of one single class; it does not depend on how the classes are numbered. Pair counts are integers
held exactly in float64 (up to 9e7 pixels a clip).

Degenerate cases, the same everywhere:

* both partitions are one single class, or both put every pixel in a class of its own: 1 (they are equal);
* one partition is a single class and the other is not: 0;
* no pixel to compare (a clip or a frame without foreground): NaN. Such a frame is left out of its clip's static mean; a
  clip without any foreground has no foreground score, is left out of the mean over clips, and is counted.

Pixels that are not `valid` (of no known segment, see `void`) are points of no score.
"""

import numpy as np
import tensorflow as tf

from simone_tf.errors import UserError

SCORES: tuple[str, ...] = ("video_ari_foreground", "video_ari", "static_ari_foreground", "static_ari")
"""The names of the scores, in the order in which they are reported."""

_MAX_DENSE_ID = 255


def contingency_table(
    true: tf.Tensor, predicted: tf.Tensor, num_true: int, num_predicted: int, weights: tf.Tensor | None = None
) -> tf.Tensor:
    """Counts the points of every pair of a true and a predicted class.

    Args:
      true: `[..., P]` int32, true class of each point in [0, num_true).
      predicted: `[..., P]` int32, predicted class of each point in [0, num_predicted).
      num_true: number of true classes; classes without a point change no score.
      num_predicted: number of predicted classes, spare ones included.
      weights: `[..., P]` bool, the points to count; ids of the others are not looked at. All points by default.

    Returns:
      `[..., num_true, num_predicted]` float64, exact counts.

    Raises:
      ValueError: if the shapes differ.
      tf.errors.InvalidArgumentError: if a counted id is out of range.
    """
    true, predicted = tf.convert_to_tensor(true), tf.convert_to_tensor(predicted)
    if not true.shape.is_compatible_with(predicted.shape):
        raise ValueError(f"true segments {true.shape} and predicted segments {predicted.shape} differ in shape.")
    counted = tf.ones_like(true, tf.bool) if weights is None else tf.cast(weights, tf.bool)
    true = tf.where(counted, tf.cast(true, tf.int32), 0)
    predicted = tf.where(counted, tf.cast(predicted, tf.int32), 0)
    true = _checked_ids(true, num_true, "true segments", "num_true")
    predicted = _checked_ids(predicted, num_predicted, "predicted segments", "num_predicted")
    cells = true * num_predicted + predicted  # [..., P]

    leading, points = cells.shape[:-1], cells.shape[-1]
    rows, size = leading.num_elements(), num_true * num_predicted
    if rows is None or points is None:
        raise ValueError(f"segments need a static shape, got {cells.shape}.")
    # One flat histogram: every row of points counts into its own stretch of cells. A sum of ones in float64 is exact,
    # in whatever order a device adds them.
    cells = tf.reshape(cells, [rows, points]) + size * tf.range(rows)[:, tf.newaxis]  # [rows, P]
    ones = tf.cast(tf.reshape(counted, [rows * points]), tf.float64)
    counts = tf.math.unsorted_segment_sum(ones, tf.reshape(cells, [rows * points]), rows * size)
    return tf.reshape(counts, [*leading, num_true, num_predicted])


def adjusted_rand_index(table: tf.Tensor) -> tf.Tensor:
    """Adjusted Rand index of contingency tables.

    Args:
      table: `[..., N, M]` float64, exact counts as from `contingency_table`.

    Returns:
      `[...]` float64, at most 1; NaN where the table is empty. Degenerate cases: see the module.
    """
    table = tf.convert_to_tensor(table, tf.float64)
    total = tf.reduce_sum(table, axis=(-2, -1))
    squares = tf.reduce_sum(tf.square(table), axis=(-2, -1))
    true_squares = tf.reduce_sum(tf.square(tf.reduce_sum(table, axis=-1)), axis=-1)
    predicted_squares = tf.reduce_sum(tf.square(tf.reduce_sum(table, axis=-2)), axis=-1)
    # Ordered pairs of points, as whole numbers: together in both partitions, only in the true one, only in the
    # predicted one, in neither. With these, equal partitions give exactly 1 and a constant prediction exactly 0.
    both = squares - total
    only_true = true_squares - squares
    only_predicted = predicted_squares - squares
    neither = tf.square(total) - total - both - only_true - only_predicted
    numerator = 2.0 * (both * neither - only_true * only_predicted)
    denominator = (both + only_true) * (only_true + neither) + (both + only_predicted) * (only_predicted + neither)
    equal = tf.equal(denominator, 0.0)
    index = tf.where(equal, tf.ones_like(total), numerator / tf.where(equal, tf.ones_like(total), denominator))
    return tf.where(total > 0.0, index, tf.constant(np.nan, tf.float64))


def frame_tables(
    segments: tf.Tensor, predicted: tf.Tensor, num_true: int, num_predicted: int, valid: tf.Tensor | None = None
) -> tf.Tensor:
    """Contingency table of every frame: `[B, T, H, W]` int32 twice -> `[B, T, num_true, num_predicted]` float64.

    All four scores follow from it: the sum over T is the table of the clip, and without row 0 it is the foreground's.
    Where there is `valid` `[B, T, H, W]` bool, only its pixels count.
    """
    segments, predicted = tf.convert_to_tensor(segments), tf.convert_to_tensor(predicted)
    if segments.shape.rank != 4 or segments.shape != predicted.shape:
        raise ValueError(f"segments must both be [B, T, H, W], got {segments.shape} and {predicted.shape}.")
    frames = [*segments.shape[:2], segments.shape[2] * segments.shape[3]]
    if valid is not None:
        valid = tf.convert_to_tensor(valid)
        if valid.shape != segments.shape:
            raise ValueError(f"valid must be {segments.shape}, got {valid.shape}.")
        valid = tf.reshape(valid, frames)
    segments, predicted = tf.reshape(segments, frames), tf.reshape(predicted, frames)
    return contingency_table(segments, predicted, num_true, num_predicted, valid)


def video_ari(
    segments: tf.Tensor, predicted: tf.Tensor, num_true: int, num_predicted: int, valid: tf.Tensor | None = None
) -> tf.Tensor:
    """ARI over all pixels of all frames: `[B, T, H, W]` int32 twice -> `[B]` float64."""
    return _OF_TABLES["video_ari"](frame_tables(segments, predicted, num_true, num_predicted, valid))


def video_ari_foreground(
    segments: tf.Tensor, predicted: tf.Tensor, num_true: int, num_predicted: int, valid: tf.Tensor | None = None
) -> tf.Tensor:
    """ARI over the pixels of all frames with `segments > 0` -> `[B]` float64; NaN for a clip without any."""
    return _OF_TABLES["video_ari_foreground"](frame_tables(segments, predicted, num_true, num_predicted, valid))


def static_ari(
    segments: tf.Tensor, predicted: tf.Tensor, num_true: int, num_predicted: int, valid: tf.Tensor | None = None
) -> tf.Tensor:
    """Mean over frames of the ARI over the pixels of the frame: `[B, T, H, W]` int32 twice -> `[B]` float64."""
    return _OF_TABLES["static_ari"](frame_tables(segments, predicted, num_true, num_predicted, valid))


def static_ari_foreground(
    segments: tf.Tensor, predicted: tf.Tensor, num_true: int, num_predicted: int, valid: tf.Tensor | None = None
) -> tf.Tensor:
    """Mean, over the frames that have foreground, of the ARI over the frame's pixels with `segments > 0` -> `[B]`.

    NaN for a clip without any foreground.
    """
    return _OF_TABLES["static_ari_foreground"](frame_tables(segments, predicted, num_true, num_predicted, valid))


class SegmentationScores:
    """Collects the scores of many clips, batch by batch, and averages them; the last batch may be padded.

    Batches are true and predicted segments `[B, T, H, W]`, see `update`.
    """

    def __init__(self) -> None:
        self._clips: dict[str, list[np.ndarray]] = {name: [] for name in SCORES}

    def update(
        self,
        segments: np.ndarray,
        predicted: np.ndarray,
        clip_mask: np.ndarray | None = None,
        valid: np.ndarray | None = None,
    ) -> None:
        """Adds a batch.

        Args:
          segments: `[B, T, H, W]` integers, true segments, 0 = background.
          predicted: `[B, T, H, W]` integers, predicted segments (the slot of largest mask).
          clip_mask: `[B]` bool, False for the clips that only fill up the batch; nothing of these is looked at.
          valid: `[B, T, H, W]` bool, False for the pixels that are in no score, whatever ids they have; None for all.

        Raises:
          UserError: if a true id is negative.
          ValueError: if shapes, dtypes or predicted ids are wrong.
        """
        segments, predicted = np.asarray(segments), np.asarray(predicted)
        if segments.ndim != 4 or segments.shape != predicted.shape:
            raise ValueError(f"segments must both be [B, T, H, W], got {segments.shape} and {predicted.shape}.")
        if not (np.issubdtype(segments.dtype, np.integer) and np.issubdtype(predicted.dtype, np.integer)):
            raise ValueError(f"segments must be integers, got {segments.dtype} and {predicted.dtype}.")
        if valid is not None:
            valid = np.asarray(valid, bool)
            if valid.shape != segments.shape:
                raise ValueError(f"valid must be {segments.shape}, got {valid.shape}.")
            segments, predicted = np.where(valid, segments, 0), np.where(valid, predicted, 0)
        if clip_mask is not None:
            clip_mask = np.asarray(clip_mask, bool)
            if clip_mask.shape != segments.shape[:1]:
                raise ValueError(f"clip_mask must be {segments.shape[:1]}, got {clip_mask.shape}.")
            segments, predicted = segments[clip_mask], predicted[clip_mask]
            valid = None if valid is None else valid[clip_mask]
        if not segments.size:
            return
        if segments.min() < 0:
            raise UserError(
                f"The true segments hold ids from {segments.min()} to {segments.max()} but must be 0 or more (0 is the "
                "background): renumber them in the data set."
            )
        if predicted.min() < 0:
            raise ValueError(f"predicted ids run from {predicted.min()} to {predicted.max()}.")
        segments, predicted = _compact(segments), _compact(predicted)
        tables = frame_tables(segments, predicted, int(segments.max()) + 1, int(predicted.max()) + 1, valid)
        for name, of_tables in _OF_TABLES.items():
            self._clips[name].append(of_tables(tables).numpy())

    def per_clip(self) -> dict[str, np.ndarray]:
        """The scores of every clip in the order they came: name -> `[num_clips]` float64, NaN where there is none."""
        return {name: np.concatenate([np.zeros(0), *parts]) for name, parts in self._clips.items()}

    def result(self) -> dict[str, float | int]:
        """Mean of each score, its population standard deviation over clips as `<name>_std`, and the counts.

        A mean over no clip at all is NaN. `num_clips` counts all clips, `num_clips_without_foreground` those among them
        that have no foreground score.
        """
        clips = self.per_clip()
        result: dict[str, float | int] = {}
        for name, scores in clips.items():
            scores = scores[~np.isnan(scores)]
            result[name] = float(scores.mean()) if scores.size else float("nan")
            result[f"{name}_std"] = float(scores.std()) if scores.size else float("nan")
        result["num_clips"] = len(clips["video_ari"])
        result["num_clips_without_foreground"] = int(np.isnan(clips["video_ari_foreground"]).sum())
        return result


def _video(tables: tf.Tensor) -> tf.Tensor:
    return adjusted_rand_index(tf.reduce_sum(tables, axis=1))


def _static(tables: tf.Tensor) -> tf.Tensor:
    per_frame = adjusted_rand_index(tables)  # [B, T]
    scored = ~tf.math.is_nan(per_frame)
    total = tf.reduce_sum(tf.where(scored, per_frame, tf.zeros_like(per_frame)), axis=-1)
    # 0 / 0 is the NaN of a clip without a scored frame.
    return total / tf.reduce_sum(tf.cast(scored, tf.float64), axis=-1)


# Row 0 of a table is the background. One table serves all four: making it is what takes time.
_OF_TABLES = {
    "video_ari_foreground": lambda tables: _video(tables[..., 1:, :]),
    "video_ari": _video,
    "static_ari_foreground": lambda tables: _static(tables[..., 1:, :]),
    "static_ari": _static,
}


def _compact(ids: np.ndarray) -> np.ndarray:
    """Renumbers large sparse ids from 0 on, 0 staying 0, so that a table stays small."""
    if ids.max() <= _MAX_DENSE_ID:
        return ids.astype(np.int32)
    present = np.union1d([0], ids)
    return np.searchsorted(present, ids).astype(np.int32)


def _checked_ids(ids: tf.Tensor, limit: int, what: str, argument: str) -> tf.Tensor:
    """The ids, once they are known to be in range."""
    least, greatest = tf.reduce_min(ids), tf.reduce_max(ids)
    text = f"{what} must be in [0, {argument} = {limit}); least and greatest found:"
    fits = (tf.size(ids) == 0) | ((least >= 0) & (greatest < limit))
    if tf.executing_eagerly():
        if not fits:
            raise tf.errors.InvalidArgumentError(None, None, f"{text} {int(least)}, {int(greatest)}")
        return ids
    with tf.control_dependencies([tf.debugging.Assert(fits, [text, least, greatest])]):
        return tf.identity(ids)
