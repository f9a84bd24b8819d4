"""Scores without the pixels of a label, against the same scores of the other pixels alone."""

import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from simone_tf.evaluation.scores import segmentation
from simone_tf.evaluation.scores.matching import UNMATCHED, mask_errors, match_by_mask_error
from simone_tf.evaluation.scores.overlap import OVERLAP_SCORES, overlap_scores
from simone_tf.evaluation.scores.void import without_label

T, H, W, K = 3, 6, 7, 4


def make_clips(label, seed=0):
    """Two clips, some pixels of the label in each frame, one frame of the second of nothing else."""
    rng = np.random.default_rng(seed)
    segments = rng.integers(0, 4, (2, T, H, W))
    segments[rng.random(segments.shape) < 0.3] = label
    segments[1, 1] = label
    return segments, rng.integers(0, K, segments.shape)


def kept_scores(segments, predicted, label):
    """The four scores of one clip by scikit-learn, of the pixels that are kept."""

    def ari(keep):
        return adjusted_rand_score(segments[keep], predicted[keep]) if keep.any() else math.nan

    def static(keep):
        frame = np.arange(T)[:, None, None]
        return np.nanmean([ari(keep & (frame == time)) for time in range(T)])

    known = segments != label
    foreground = known & (segments > 0)
    return {
        "video_ari_foreground": ari(foreground),
        "video_ari": ari(known),
        "static_ari_foreground": static(foreground),
        "static_ari": static(known),
    }


@pytest.mark.parametrize("label", [255, 7, 2, 0, 65535])
def test_ari_is_that_of_the_pixels_that_are_kept(label):
    segments, predicted = make_clips(label)
    true, valid = without_label(segments, label)
    np.testing.assert_array_equal(valid, segments != label)
    np.testing.assert_array_equal(true[valid], segments[valid])
    scores = segmentation.SegmentationScores()
    scores.update(true, predicted, valid=valid)
    raw = segmentation.SegmentationScores()
    raw.update(segments, predicted, valid=valid)  # Whatever ids the others have.
    for index in range(2):
        for name, wanted in kept_scores(segments[index], predicted[index], label).items():
            assert scores.per_clip()[name][index] == pytest.approx(wanted, abs=1e-12), name
            assert raw.per_clip()[name][index] == pytest.approx(wanted, abs=1e-12), name
            of_one = getattr(segmentation, name)(
                true[[index]], predicted[[index]], 65536 if label == 0 else 8, K, valid[[index]]
            )
            assert float(of_one[0]) == pytest.approx(wanted, abs=1e-12), name


def test_the_clips_that_fill_up_a_batch_and_the_pixels_go_together():
    segments, predicted = make_clips(255)
    valid = segments != 255
    scores = segmentation.SegmentationScores()
    scores.update(segments, predicted, np.array([False, True]), valid)
    (found,) = scores.per_clip()["video_ari"]
    assert found == pytest.approx(kept_scores(segments[1], predicted[1], 255)["video_ari"], abs=1e-12)
    with pytest.raises(ValueError, match="valid must be"):
        scores.update(segments, predicted, valid=valid[:1])


def test_without_a_label_every_pixel_counts_as_before():
    segments, predicted = make_clips(3)
    assert without_label(segments, None).valid is None
    assert without_label(segments, None).segments is segments
    whole, all_valid = segmentation.SegmentationScores(), segmentation.SegmentationScores()
    whole.update(segments, predicted)
    all_valid.update(segments, predicted, valid=np.ones(segments.shape, bool))
    assert whole.result() == all_valid.result()
    assert overlap_scores(segments[0], predicted[0], K) == overlap_scores(
        segments[0], predicted[0], K, segments[0] >= 0
    )


def test_a_clip_of_nothing_but_the_label_has_no_score():
    true, valid = without_label(np.full((1, T, H, W), 255), 255)
    predicted = np.ones((1, T, H, W), int)
    scores = segmentation.SegmentationScores()
    scores.update(true, predicted, valid=valid)
    assert all(math.isnan(score) for (score,) in scores.per_clip().values())
    assert scores.result()["num_clips_without_foreground"] == 1
    assert all(math.isnan(score) for score in overlap_scores(true[0], predicted[0], K, valid[0]).values())
    slots = match_by_mask_error(true[0], np.full((K, T, H, W), 1 / K), 2, valid=valid[0])
    np.testing.assert_array_equal(slots, [UNMATCHED] * 2)


@pytest.mark.parametrize("seed", range(4))
def test_overlaps_and_matches_are_those_of_the_pixels_that_are_kept(seed):
    """The same pixels are left out of each frame here, so that what is left is a clip of its own."""
    rng = np.random.default_rng(seed)
    segments, predicted = rng.integers(0, 4, (T, H, W)), rng.integers(0, K, (T, H, W))
    masks = rng.dirichlet(np.ones(K), (T, H, W)).transpose(3, 0, 1, 2)
    kept = rng.random((H, W)) < 0.6
    marked = np.where(kept, segments, 255)
    smaller, smaller_predicted = segments[:, kept][:, None], predicted[:, kept][:, None]
    true, valid = without_label(marked, 255)
    found, wanted = overlap_scores(true, predicted, K, valid), overlap_scores(smaller, smaller_predicted, K)
    assert set(found) == set(OVERLAP_SCORES)
    assert found == pytest.approx(wanted, abs=1e-12)
    assert found != pytest.approx(overlap_scores(segments, predicted, K), abs=1e-3)
    errors, present = mask_errors(marked, masks, 3, valid)
    smaller_errors, smaller_present = mask_errors(smaller, masks[:, :, kept][:, :, None], 3)
    np.testing.assert_allclose(errors, smaller_errors)
    np.testing.assert_array_equal(present, smaller_present)
    np.testing.assert_array_equal(
        match_by_mask_error(marked, masks, 3, valid=valid),
        match_by_mask_error(smaller, masks[:, :, kept][:, :, None], 3),
    )


def test_ids_out_of_range_are_told_with_what_was_found():
    from simone_tf.errors import first_line

    with pytest.raises(Exception, match="true segments must be in") as raised:
        segmentation.contingency_table(np.array([0, 9]), np.array([0, 1]), 3, 2)
    assert first_line(raised.value) == "true segments must be in [0, num_true = 3); least and greatest found: 0, 9"
