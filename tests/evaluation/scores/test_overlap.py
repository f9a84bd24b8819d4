"""mIoU and mBO against a search over all assignments and cases worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simone_tf.evaluation.scores.overlap import OVERLAP_SCORES, overlap_scores


def brute_force(segments, predicted, num_slots):
    """All scores, pixel set by pixel set and assignment by assignment."""

    def iou(true, guess):
        return (true & guess).sum() / (true | guess).sum()

    def scores(true, guess, ids):
        ids = [k for k in ids if (true == k).any()]
        if not ids:
            return math.nan, math.nan
        table = [[iou(true == k, guess == j) for j in range(num_slots)] for k in ids]
        # Columns of zeros stand for no slot at all.
        padded = [row + [0.0] * len(ids) for row in table]
        choices = itertools.permutations(range(num_slots + len(ids)), len(ids))
        best = max(sum(padded[row][column] for row, column in enumerate(columns)) for columns in choices)
        return best / len(ids), sum(max(row) for row in table) / len(ids)

    result = {}
    for suffix, ids in (("_foreground", range(1, 20)), ("", range(20))):
        result[f"video_miou{suffix}"], result[f"video_mbo{suffix}"] = scores(segments, predicted, ids)
        frames = [scores(t, p, ids) for t, p in zip(segments, predicted, strict=True)]
        frames = [frame for frame in frames if not math.isnan(frame[0])] or [(math.nan, math.nan)]
        result[f"static_miou{suffix}"], result[f"static_mbo{suffix}"] = np.mean(frames, axis=0)
    return result


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_equals_brute_force(seed, num_objects, num_slots):
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, num_objects + 1, (2, 3, 3)) * rng.integers(0, 2, (2, 1, 1))
    noisy = rng.random(segments.shape) < 0.4
    predicted = np.where(noisy, rng.integers(0, num_slots, segments.shape), segments % num_slots)
    scores, expected = overlap_scores(segments, predicted, num_slots), brute_force(segments, predicted, num_slots)
    assert tuple(scores) == OVERLAP_SCORES
    for name in OVERLAP_SCORES:
        assert isinstance(scores[name], float)
        assert scores[name] == pytest.approx(expected[name], abs=1e-12, nan_ok=True), name


@given(st.integers(0, 2**32 - 1), st.permutations(range(6)), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_perfect_is_exactly_one_for_any_slots(seed, order, spare):
    segments = np.random.default_rng(seed).integers(0, 6, (3, 7, 5))
    segments[0, 0, 0] = 1
    scores = overlap_scores(segments, np.array(order)[segments] + spare // 2, 6 + spare)
    assert set(scores.values()) == {1.0}


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_order_of_slots_and_spare_ones_do_not_matter_and_best_is_never_below_assigned(seed):
    rng = np.random.default_rng(seed)
    segments, predicted = rng.integers(0, 4, (2, 2, 6, 6))
    scores = overlap_scores(segments, predicted, 4)
    renamed = overlap_scores(np.array([0, 9, 5, 2])[segments], rng.permutation(7)[predicted], 7)
    for name in OVERLAP_SCORES:
        assert renamed[name] == pytest.approx(scores[name], abs=1e-12)
        assert 0.0 <= scores[name] <= 1.0
        if "miou" in name:
            assert scores[name.replace("miou", "mbo")] >= scores[name] - 1e-12


def test_constant_prediction_by_hand():
    segments = np.array([[[0, 0, 0, 1, 1, 2]]])
    scores = overlap_scores(segments, np.zeros_like(segments), 3)
    # One slot of 6 pixels: IoU 3/6, 2/6 and 1/6. Assigned, it serves one object only.
    assert scores["video_mbo"] == pytest.approx((3 + 2 + 1) / 18)
    assert scores["video_miou"] == pytest.approx(3 / 18)
    assert scores["video_mbo_foreground"] == pytest.approx((2 + 1) / 12)
    assert scores["video_miou_foreground"] == pytest.approx(2 / 12)


def test_video_scores_want_tracking_and_static_do_not():
    frame = np.array([[1, 1, 2, 2]])
    scores = overlap_scores(np.stack([frame, frame]), np.stack([frame, 3 - frame]), 3)
    assert scores["static_miou_foreground"] == scores["static_mbo_foreground"] == 1.0
    # Each slot holds 2 of an object's 4 pixels and 2 of the other's.
    assert scores["video_miou_foreground"] == scores["video_mbo_foreground"] == pytest.approx(2 / 6)


def test_slot_pixels_on_the_background_count():
    scores = overlap_scores(np.array([[[0, 0, 1, 1]]]), np.array([[[0, 1, 1, 1]]]), 2)
    assert scores["video_miou_foreground"] == pytest.approx(2 / 3)


def test_unseen_objects_and_empty_frames_are_left_out():
    segments = np.array([[[0, 1, 2]], [[0, 1, 0]], [[0, 0, 0]]])
    predicted = np.array([[[0, 1, 2]], [[0, 1, 0]], [[0, 1, 2]]])
    scores = overlap_scores(segments, predicted, 3)
    assert scores["static_miou_foreground"] == 1.0
    assert scores["static_miou"] == pytest.approx((1 + 1 + 1 / 3) / 3)


def test_no_foreground_and_nothing_but_foreground():
    empty = np.zeros((2, 2, 2), np.int64)
    for name, score in overlap_scores(empty, empty + 1, 2).items():
        assert math.isnan(score) if name.endswith("foreground") else score == 1.0
    assert set(overlap_scores(empty + 3, empty, 2).values()) == {1.0}


@pytest.mark.parametrize(
    ("segments", "predicted"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 2), int)),
        (np.zeros((1, 2, 2), int), np.zeros((1, 2, 3), int)),
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2), int)),
        (np.full((1, 2, 2), -1), np.zeros((1, 2, 2), int)),
        (np.zeros((1, 2, 2), int), np.full((1, 2, 2), 2)),
        (np.zeros((1, 2, 2), int), np.full((1, 2, 2), -1)),
        (np.zeros((0, 2, 2), int), np.zeros((0, 2, 2), int)),
    ],
)
def test_faults(segments, predicted):
    with pytest.raises(ValueError, match="must"):
        overlap_scores(segments, predicted, 2)


@pytest.mark.parametrize("types", [(np.uint64, np.uint64), (np.int64, np.uint64), (np.uint64, np.int8)])
def test_integers_of_every_kind(types):
    segments, predicted = np.random.default_rng(0).integers(0, 4, (2, 2, 5, 6))
    scores = overlap_scores(segments.astype(types[0]), predicted.astype(types[1]), 4)
    assert scores == overlap_scores(segments, predicted, 4)
