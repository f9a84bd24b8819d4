"""Segmentation scores against scikit-learn, a brute-force count of pairs and cases worked out by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from simone_tf.errors import UserError
from simone_tf.evaluation.scores import segmentation

FUNCTIONS = {name: getattr(segmentation, name) for name in segmentation.SCORES}


def brute_force_ari(true, predicted):
    """Walks over all pairs of points: agreement beyond chance over the most it could be, in exact fractions."""
    pairs = [(i, j) for i in range(len(true)) for j in range(i)]
    both = sum(true[i] == true[j] and predicted[i] == predicted[j] for i, j in pairs)
    in_true = sum(true[i] == true[j] for i, j in pairs)
    in_predicted = sum(predicted[i] == predicted[j] for i, j in pairs)
    if not pairs or in_true == in_predicted == both in (0, len(pairs)):
        return 1.0
    expected = Fraction(in_true * in_predicted, len(pairs))
    return float((both - expected) / (Fraction(in_true + in_predicted, 2) - expected))


def reference_scores(segments, predicted):
    """The four scores of one clip [T, H, W] by scikit-learn."""

    def ari(true, guess):
        return adjusted_rand_score(true, guess) if true.size else math.nan

    def static(keep):
        frames = [ari(t[k], p[k]) for t, p, k in zip(segments, predicted, keep, strict=True)]
        frames = [score for score in frames if not math.isnan(score)]
        return sum(frames) / len(frames) if frames else math.nan

    foreground, everything = segments > 0, segments >= 0
    return {
        "video_ari_foreground": ari(segments[foreground], predicted[foreground]),
        "video_ari": ari(segments.ravel(), predicted.ravel()),
        "static_ari_foreground": static(foreground),
        "static_ari": static(everything),
    }


def blobs(rng, shape, num_true, num_predicted, noise=0.3):
    """Random segments and a prediction that agrees with them in part."""
    segments = rng.integers(0, num_true, shape)
    predicted = np.where(rng.random(shape) < noise, rng.integers(0, num_predicted, shape), segments % num_predicted)
    return segments.astype(np.int32), predicted.astype(np.int32)


labels = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 4), min_size=n, max_size=n), st.lists(st.integers(0, 3), min_size=n, max_size=n)
    )
)


@given(labels)
@settings(max_examples=150, deadline=None)
def test_equals_brute_force_and_scikit_learn(case):
    true, predicted = case
    table = segmentation.contingency_table(tf.constant(true), tf.constant(predicted), 5, 4)
    score = float(segmentation.adjusted_rand_index(table))
    assert score == pytest.approx(brute_force_ari(true, predicted), abs=1e-12)
    assert score == pytest.approx(adjusted_rand_score(true, predicted), abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_clip_scores_equal_scikit_learn(seed, batch, frames, side):
    rng = np.random.default_rng(seed)
    segments, predicted = blobs(rng, (batch, frames, side, side), 4, 5)
    expected = [reference_scores(t, p) for t, p in zip(segments, predicted, strict=True)]
    for name, function in FUNCTIONS.items():
        scores = function(segments, predicted, 4, 5)
        assert scores.dtype == tf.float64
        np.testing.assert_allclose(scores, [clip[name] for clip in expected], atol=1e-12)


def test_big_clip_is_exact():
    segments, predicted = blobs(np.random.default_rng(0), (1, 16, 64, 64), 31, 16)
    table = segmentation.contingency_table(segments.reshape(1, -1), predicted.reshape(1, -1), 31, 16)
    counts = np.zeros((31, 16), np.int64)
    np.add.at(counts, (segments.ravel(), predicted.ravel()), 1)
    np.testing.assert_array_equal(table[0], counts)
    for name, score in reference_scores(segments[0], predicted[0]).items():
        np.testing.assert_allclose(FUNCTIONS[name](segments, predicted, 31, 16), [score], rtol=1e-13, err_msg=name)


def test_contingency_table_by_hand():
    table = segmentation.contingency_table([[0, 0, 1, 2], [2, 2, 2, 0]], [[1, 1, 0, 1], [0, 0, 1, 1]], 3, 2)
    np.testing.assert_array_equal(table, [[[0, 2], [1, 0], [0, 1]], [[0, 1], [0, 0], [2, 1]]])
    assert table.dtype == tf.float64


def test_weights_leave_points_out_whatever_their_ids():
    table = segmentation.contingency_table([0, 1, -7, 99], [1, 0, 50, -1], 2, 2, weights=[True, True, False, False])
    np.testing.assert_array_equal(table, [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("true", "predicted"), [([0, 3], [0, 0]), ([0, -1], [0, 0]), ([0, 0], [0, 2]), ([0, 0], [-1, 0])]
)
def test_ids_out_of_range_are_an_error(true, predicted):
    name = "num_true" if max(true) > 2 or min(true) < 0 else "num_predicted"
    with pytest.raises(tf.errors.InvalidArgumentError, match=name):
        segmentation.contingency_table(tf.constant(true), tf.constant(predicted), 3, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=name):
        tf.function(segmentation.contingency_table)(tf.constant(true), tf.constant(predicted), 3, 2)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        segmentation.contingency_table(tf.zeros([4], tf.int32), tf.zeros([5], tf.int32), 1, 1)
    with pytest.raises(ValueError, match=r"\[B, T, H, W\]"):
        segmentation.video_ari(tf.zeros([2, 3, 4], tf.int32), tf.zeros([2, 3, 4], tf.int32), 1, 1)


def test_graph_equals_eager():
    segments, predicted = blobs(np.random.default_rng(1), (2, 3, 8, 8), 4, 6)
    for function in FUNCTIONS.values():
        compiled = tf.function(lambda s, p, f=function: f(s, p, 4, 6), jit_compile=False)
        np.testing.assert_array_equal(compiled(segments, predicted), function(segments, predicted, 4, 6))


def test_perfect_is_exactly_one_with_spare_slots_and_any_numbering():
    segments, _ = blobs(np.random.default_rng(2), (2, 3, 9, 9), 5, 5)
    predicted = np.array([11, 3, 7, 0, 15], np.int32)[segments]
    for function in FUNCTIONS.values():
        np.testing.assert_array_equal(function(segments, predicted, 8, 16), [1.0, 1.0])


def test_constant_prediction_is_exactly_zero():
    segments, _ = blobs(np.random.default_rng(3), (2, 5, 37, 41), 5, 5)
    for function in FUNCTIONS.values():
        np.testing.assert_array_equal(function(segments, np.full_like(segments, 2), 5, 4), [0.0, 0.0])


@given(st.permutations(range(5)), st.permutations(range(4)), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_numbering_does_not_matter(true_order, predicted_order, seed):
    segments, predicted = blobs(np.random.default_rng(seed), (1, 2, 6, 6), 5, 4)
    renamed, reguessed = np.array(true_order, np.int32)[segments], np.array(predicted_order, np.int32)[predicted]
    for name in ("video_ari", "static_ari"):
        expected = FUNCTIONS[name](segments, predicted, 5, 4)
        np.testing.assert_allclose(FUNCTIONS[name](renamed, reguessed, 5, 4), expected, atol=1e-12)
    # Among the foreground only objects may swap numbers: 0 stays the background.
    objects = np.array([0, *[i for i in true_order if i]], np.int32)[segments]
    for name in ("video_ari_foreground", "static_ari_foreground"):
        expected = FUNCTIONS[name](segments, predicted, 5, 4)
        np.testing.assert_allclose(FUNCTIONS[name](objects, reguessed, 5, 4), expected, atol=1e-12)


def test_video_score_wants_tracking_and_static_does_not():
    frame = np.array([[1, 1, 2, 2]], np.int32)
    segments = np.stack([frame, frame])[np.newaxis]
    swapped = np.stack([frame, 3 - frame])[np.newaxis]  # both objects found in each frame, slots swapped between frames
    assert float(segmentation.static_ari_foreground(segments, swapped, 3, 3)[0]) == 1.0
    # Each of the four (object, slot) cells holds 2 of 8 pixels: 4 pairs together in both, 12 in each, 28 in all.
    expected = (4 - 12 * 12 / 28) / (12 - 12 * 12 / 28)
    assert float(segmentation.video_ari_foreground(segments, swapped, 3, 3)[0]) == pytest.approx(expected, abs=1e-15)


def test_background_is_no_part_of_the_foreground_scores():
    segments, predicted = blobs(np.random.default_rng(4), (1, 3, 8, 8), 4, 4)
    other = np.where(segments == 0, np.random.default_rng(5).integers(0, 4, segments.shape), predicted)
    for name, function in FUNCTIONS.items():
        before, after = float(function(segments, predicted, 4, 4)[0]), float(function(segments, other, 4, 4)[0])
        assert (before == after) == name.endswith("foreground")


def test_degenerate_cases():
    background = np.zeros((1, 2, 3, 3), np.int32)
    one_object = np.ones((1, 2, 3, 3), np.int32)
    split = np.arange(18, dtype=np.int32).reshape(1, 2, 3, 3) % 2
    for name, function in FUNCTIONS.items():
        empty = math.isnan(float(function(background, split, 2, 2)[0]))
        assert empty == name.endswith("foreground")
        assert float(function(one_object, one_object, 2, 2)[0]) == 1.0
        assert float(function(one_object, split, 2, 2)[0]) == 0.0
        single_pixels = np.ones((1, 2, 1, 1), np.int32)
        assert float(function(single_pixels, single_pixels, 2, 2)[0]) == 1.0
    # No foreground ids at all: the foreground table has no rows.
    assert math.isnan(float(segmentation.video_ari_foreground(background, split, 1, 2)[0]))


def test_frames_without_foreground_are_left_out_of_the_static_mean():
    segments = np.array([[[[1, 1, 2, 2]], [[0, 0, 0, 0]], [[1, 2, 1, 2]]]], np.int32)
    predicted = np.array([[[[0, 0, 1, 1]], [[0, 1, 2, 3]], [[0, 0, 0, 0]]]], np.int32)
    assert float(segmentation.static_ari_foreground(segments, predicted, 3, 4)[0]) == 0.5  # of 1 and 0


def test_streaming_scores_over_padded_batches():
    rng = np.random.default_rng(6)
    segments, predicted = blobs(rng, (7, 3, 8, 8), 4, 6)
    segments[2] = 0
    segments[4, 1] = 0
    expected = [reference_scores(t, p) for t, p in zip(segments, predicted, strict=True)]

    scores = segmentation.SegmentationScores()
    for start in (0, 3, 6):
        batch = np.zeros((3, 3, 8, 8), np.int32), np.zeros((3, 3, 8, 8), np.int64)
        size = min(3, 7 - start)
        # What fills up the batch is even out of range: nothing of it may be looked at.
        batch[0][size:], batch[1][size:] = 1000, -1
        batch[0][:size], batch[1][:size] = segments[start : start + size], predicted[start : start + size]
        scores.update(*batch, clip_mask=np.arange(3) < size)
    scores.update(*batch, clip_mask=np.zeros(3, bool))

    result = scores.result()
    assert result["num_clips"] == 7
    assert result["num_clips_without_foreground"] == 1
    for name in segmentation.SCORES:
        values = np.array([clip[name] for clip in expected])
        np.testing.assert_allclose(scores.per_clip()[name], values, atol=1e-12)
        values = values[~np.isnan(values)]
        assert len(values) == (6 if name.endswith("foreground") else 7)
        assert result[name] == pytest.approx(values.mean(), abs=1e-12)
        assert result[f"{name}_std"] == pytest.approx(values.std(), abs=1e-12)


def test_batch_size_does_not_matter():
    segments, predicted = blobs(np.random.default_rng(7), (6, 2, 5, 5), 4, 4)
    whole, parts = segmentation.SegmentationScores(), segmentation.SegmentationScores()
    whole.update(segments, predicted)
    for clip in range(6):
        parts.update(segments[clip : clip + 1], predicted[clip : clip + 1])
    assert whole.result() == parts.result()


def test_large_sparse_ids_keep_the_background():
    segments, predicted = blobs(np.random.default_rng(8), (3, 2, 6, 6), 4, 4)
    plain, sparse = segmentation.SegmentationScores(), segmentation.SegmentationScores()
    plain.update(segments, predicted)
    sparse.update(np.array([0, 9, 70_000, 2**31 - 1])[segments], predicted)
    assert plain.result() == sparse.result()
    sparse.update(np.full((1, 2, 6, 6), 2**31 - 1), predicted[:1])  # no pixel of the background in this batch
    assert sparse.result()["num_clips_without_foreground"] == 0


def test_no_clips_give_nan_and_zero_counts():
    result = segmentation.SegmentationScores().result()
    assert result["num_clips"] == result["num_clips_without_foreground"] == 0
    assert all(math.isnan(result[name]) for name in segmentation.SCORES)


def test_bad_true_ids_name_what_was_found():
    segments, predicted = np.zeros((1, 1, 2, 2), np.int32), np.zeros((1, 1, 2, 2), np.int32)
    segments[0, 0, 0, 0] = -1
    with pytest.raises(UserError, match=r"true segments hold ids from -1 to 0"):
        segmentation.SegmentationScores().update(segments, predicted)


def test_bad_predictions_are_a_programming_error():
    segments = np.zeros((1, 1, 2, 2), np.int32)
    scores = segmentation.SegmentationScores()
    for predicted in (segments - 1, segments[0], segments.astype(np.float32)):
        with pytest.raises(ValueError, match=r"predicted ids|\[B, T, H, W\]|integers"):
            scores.update(segments, predicted)
    with pytest.raises(ValueError, match="clip_mask"):
        scores.update(segments, segments, clip_mask=[True, False])
    assert scores.result()["num_clips"] == 0
