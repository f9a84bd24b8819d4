"""Tables of the probes: which rows of which clips, what is predicted from what, and what is kept apart.

A row is a clip's frame, or an object of a clip, or an object at one frame. Clips, never rows, are split into training
and test, and again into the training rows that are fitted and those that stop an MLP early. Features are gathered for
the rows in use only: ten thousand clips need no more of them than a hundred.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from simone_tf.errors import UserError
from simone_tf.evaluation.probes.regressors import MLPSettings, Rows
from simone_tf.evaluation.scores.matching import UNMATCHED

MIN_TRAIN_CLIPS, MIN_TEST_CLIPS = 4, 2
VALIDATION_SHARE = 0.15
"""Share of the training clips that an MLP is stopped early by instead of being fitted to."""

_CONSTANT = 1e-3


class ClipSplit(NamedTuple):
    """Indices of the clips that decoders are trained on, and of those that they are tested on."""

    train: np.ndarray
    test: np.ndarray


@dataclasses.dataclass(frozen=True)
class ProbeSettings:
    """How the probes of one run are trained and tested.

    Attributes:
      seed: everything random follows from it.
      num_decoders: independently trained decoders per input (the paper trains 5), over which mean and s.d. are taken.
        They share the split and the rows, and differ in initial weights, order and validation clips. A linear one
        comes out the same every time and is fitted once: its s.d. is 0, as in the paper.
      num_controls: decoders trained on labels shuffled each in another way.
      test_share: share of the clips that are tested on, where no split is given.
      max_train_rows, max_test_rows: rows drawn at random where there are more, so that time and memory are bounded.
      mlp: the MLP decoders.
    """

    seed: int = 0
    num_decoders: int = 5
    num_controls: int = 2
    test_share: float = 0.25
    max_train_rows: int = 4000
    max_test_rows: int = 20000
    mlp: MLPSettings = dataclasses.field(default_factory=MLPSettings)


class ProbeTable(NamedTuple):
    """Rows of a probe; R is their number.

    Attributes:
      clips: `[R]` int, the clip of each row.
      targets: `[R, C]` float, or `[R]` int classes.
      inputs: name of each set of features -> function from row numbers `[r]` to features `[r, D]`.
      times: `[R]` int, the frame of each row; None where rows have none.
    """

    clips: np.ndarray
    targets: np.ndarray
    inputs: Mapping[str, Callable[[np.ndarray], np.ndarray]]
    times: np.ndarray | None = None


class RowSplit(NamedTuple):
    """Row numbers of a table that are trained on and tested on."""

    train: np.ndarray
    test: np.ndarray


def split_clips(num_clips: int, test_share: float = 0.25, seed: int = 0) -> ClipSplit:
    """Splits clips at random; every clip is on one side.

    Raises:
      UserError: there are too few clips.
    """
    num_test = round(num_clips * test_share)
    split = ClipSplit(*np.split(np.random.default_rng([seed, 0]).permutation(num_clips), [num_clips - num_test]))
    check_split(split, num_clips)
    return ClipSplit(np.sort(split.train), np.sort(split.test))


def check_split(split: ClipSplit, num_clips: int) -> None:
    """Raises UserError for too few clips; ValueError for clips that are on both sides, twice on one or not there."""
    if len(split.train) < MIN_TRAIN_CLIPS or len(split.test) < MIN_TEST_CLIPS:
        raise UserError(
            f"The probes have {len(split.train)} clips to train on and {len(split.test)} to test on, but need at least "
            f"{MIN_TRAIN_CLIPS} and {MIN_TEST_CLIPS}: evaluate more clips."
        )
    together = np.concatenate([split.train, split.test])
    if len(np.unique(together)) != len(together) or together.min() < 0 or together.max() >= num_clips:
        raise ValueError("a split must name existing clips, each once.")


def choose_rows(
    table: ProbeTable,
    split: ClipSplit,
    settings: ProbeSettings,
    trainable: np.ndarray | None = None,
    testable: np.ndarray | None = None,
) -> RowSplit:
    """The rows to use: those of the split's clips, at most as many as the settings say, drawn without replacement.

    Args:
      trainable, testable: `[R]` bool, the rows that may be trained and tested on; all by default.
    """
    rng = np.random.default_rng([settings.seed, 1])

    def choose(clips: np.ndarray, allowed: np.ndarray | None, most: int) -> np.ndarray:
        there = np.isin(table.clips, clips)
        rows = np.flatnonzero(there if allowed is None else there & allowed)
        return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))

    return RowSplit(
        choose(split.train, trainable, settings.max_train_rows), choose(split.test, testable, settings.max_test_rows)
    )


def enough_rows(table: ProbeTable, rows: RowSplit) -> bool:
    """Whether the rows come from enough clips to train, validate and test."""
    num_train, num_test = (len(np.unique(table.clips[part])) for part in rows)
    return num_train >= MIN_TRAIN_CLIPS and num_test >= MIN_TEST_CLIPS


def split_training(clips: np.ndarray, features: np.ndarray, targets: np.ndarray, seed: int) -> tuple[Rows, Rows]:
    """Training rows of some clips -> those to fit and those to validate by, again split by clip."""
    present = np.unique(clips)
    num_validation = max(1, round(VALIDATION_SHARE * len(present)))
    held = np.isin(clips, np.random.default_rng([seed, 2]).permutation(present)[:num_validation])
    return Rows(features[~held], targets[~held]), Rows(features[held], targets[held])


def decoder_seeds(seed: int, count: int) -> list[int]:
    """Seeds of independently trained decoders."""
    return np.random.SeedSequence([seed, 4]).generate_state(count).tolist()


def matched_objects(
    slots: np.ndarray, num_slots: int, object_visible: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Clip and index of every object that has a slot and is seen.

    Args:
      slots: `[N, M]` int.
      num_slots: K.
      object_visible: `[N, T, M]` bool, or None for all.
    """
    if not np.issubdtype(slots.dtype, np.integer) or np.any((slots >= num_slots) | (slots < UNMATCHED)):
        raise ValueError(f"slots must be integers in [0, {num_slots}), or {UNMATCHED}.")
    used = slots != UNMATCHED
    if object_visible is not None:
        object_visible = np.asarray(object_visible, bool)
        if object_visible.ndim != 3 or object_visible[:, 0].shape != slots.shape:
            raise ValueError(f"object_visible must be [N, T, M], got {object_visible.shape}.")
        used = used & object_visible.any(axis=1)
    clips, objects = np.nonzero(used)
    return clips, objects


def clock_feature(times: np.ndarray, num_frames: int) -> np.ndarray:
    """Frame numbers `[R]` as the decoder sees them, `[R, 1]` in [0, 1)."""
    return (times / num_frames).astype(np.float32)[:, np.newaxis]


def varying_components(targets: np.ndarray) -> np.ndarray:
    """Which columns of `[R, C]` vary at all `[C]` bool.

    One that does not, such as the height of a camera on rails, has no R^2; what is left of it by rounding has one, but
    it says nothing.
    """
    spread = targets.std(axis=0)
    return spread > _CONSTANT * max(float(spread.max(initial=0.0)), float(np.finfo(np.float32).eps))


def clock_prediction(table: ProbeTable, rows: RowSplit) -> np.ndarray:
    """What the frame number alone tells: the mean target of the training rows of the same frame, `[test, C]`."""
    train_targets = table.targets[rows.train]
    mean = train_targets.mean(axis=0)
    if table.times is None:
        return np.broadcast_to(mean, table.targets[rows.test].shape)
    predicted = np.empty_like(table.targets[rows.test], np.float64)
    train_times, test_times = table.times[rows.train], table.times[rows.test]
    for time in np.unique(test_times):
        same = train_times == time
        predicted[test_times == time] = train_targets[same].mean(axis=0) if same.any() else mean
    return predicted
